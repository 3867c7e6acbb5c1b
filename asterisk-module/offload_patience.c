/*
 * offload_patience: how long callers wait for the Stasis application.
 *
 * Copyright (C) 2026, the stasis-offload authors
 *
 * SPDX-License-Identifier: GPL-2.0-only
 *
 * This program is free software, distributed under the terms of
 * the GNU General Public License Version 2.
 */

/*!
 * \file
 * \brief Callers whom the Stasis application keeps waiting are dialled for by Dial().
 *
 * An application that is stopped, or has more to do than it can, stays registered, and a caller that is handed to it hears
 * nothing. So one for whom it has created no channel within OFFLOAD_PATIENCE (a global variable, in ms) is taken back.
 * That begins a rush, as does one who waits for a good part of that time. While it lasts one caller at a time is handed to the
 * application, the next one when it has had as long again as it took to begin with the last one, or some times as long if it was
 * late; whoever comes meanwhile is dialled for by Dial() at once. It ends when for some seconds nobody was.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/lock.h"
#include "asterisk/pbx.h"
#include "asterisk/sched.h"
#include "asterisk/stasis_app.h"

#include "offload_left.h"
#include "offload_patience.h"

/* In ms: what is waited for if the variable is not set, how soon a caller that is about to enter or leave is looked at
 * again, for how long nobody is handed to the application after one waited in vain, how long it must be calm, and how often
 * that is looked at. */
#define DEFAULT_PATIENCE 1000
#define AGAIN 20
#define PAUSE 1000
#define CALM 3000
#define CALM_CHECKED 500
/* Part of the time within which the application must have begun with a caller, if there is to be no rush. */
#define IN_TIME(ms) ((ms) / 5)
/* For how many times as long as it took to begin with a caller an application that is late is left alone: to have the target
 * ring takes it some times as long. */
#define LATE 4

static struct ast_sched_context *timers;

/*! What follows is guarded by this lock. */
AST_MUTEX_DEFINE_STATIC(rush_lock);
static int is_rush;
/*! In ms of a clock that nobody steps: when the last caller was not handed to the application, was taken back, or waited for long. */
static int64_t rushed_at;
/*! Until when the application has enough to do with the last caller. */
static int64_t busy_until;
static unsigned int left_in_rush;

int64_t patience_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t) now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int patience_ms(void)
{
	struct ast_str *buffer = ast_str_create(16);
	const char *text;
	int ms = DEFAULT_PATIENCE;

	if (buffer) {
		text = ast_str_retrieve_variable(&buffer, 0, NULL, NULL, "OFFLOAD_PATIENCE");
		if (text && (sscanf(text, "%30d", &ms) != 1 || ms < 0)) {
			ast_log(LOG_WARNING, "OFFLOAD_PATIENCE is not a number of ms: %s\n", text);
			ms = DEFAULT_PATIENCE;
		}
		ast_free(buffer);
	}
	return ms;
}

/*! End the rush once it is calm; return 0 then, and what makes the timer go on else. */
static int on_calm_check(const void *data attribute_unused)
{
	unsigned int left;

	ast_mutex_lock(&rush_lock);
	if (patience_now() - rushed_at < CALM) {
		ast_mutex_unlock(&rush_lock);
		return CALM_CHECKED;
	}
	is_rush = 0;
	left = left_in_rush;
	ast_mutex_unlock(&rush_lock);
	ast_log(LOG_NOTICE, "OffloadDial(): the application keeps up again; Dial() made %u calls meanwhile\n", left);
	return 0;
}

/*! Begin a rush, or prolong the one that there is; the application is left alone for so many ms. */
static void note_rush(int ms, int64_t busy_ms)
{
	int began;

	ast_mutex_lock(&rush_lock);
	busy_until = patience_now() + busy_ms;
	began = !is_rush;
	is_rush = 1;
	rushed_at = patience_now();
	if (began) {
		left_in_rush = 0;
	}
	ast_mutex_unlock(&rush_lock);
	if (began) {
		ast_log(LOG_WARNING, "OffloadDial(): the application has not begun with a caller within %d ms: "
			"Dial() makes the calls that it does not keep up with\n", ms);
		if (ast_sched_add_variable(timers, CALM_CHECKED, on_calm_check, NULL, 1) < 0) {
			ast_mutex_lock(&rush_lock);
			is_rush = 0;
			ast_mutex_unlock(&rush_lock);
		}
	}
}

void patience_note(struct ast_channel *caller)
{
	ast_mutex_lock(&rush_lock);
	left_in_rush++;
	ast_mutex_unlock(&rush_lock);
	left_note(caller, LEFT_OVERLOAD);
}

int patience_admits(struct ast_channel *caller)
{
	int refused;

	ast_mutex_lock(&rush_lock);
	refused = is_rush && (dials_wait() || patience_now() < busy_until);
	if (refused) {
		rushed_at = patience_now();
	}
	ast_mutex_unlock(&rush_lock);
	if (refused) {
		patience_note(caller);
	}
	return !refused;
}

/*! Take a caller back with whom the application has not begun. */
static int on_patience_over(const void *data)
{
	struct dial *dial = (struct dial *) data;
	struct stasis_app_control *control;

	if (!dial_give_up(dial)) {
		ao2_ref(dial, -1);
		return 0;
	}
	control = stasis_app_control_find_by_channel_id(dial_caller_id(dial));
	if (!control) {
		return AGAIN;
	}
	note_rush(patience_ms(), PAUSE);
	stasis_app_control_continue(control, NULL, NULL, -1);
	ao2_ref(control, -1);
	ao2_ref(dial, -1);
	return 0;
}

void patience_note_begun(int64_t ms)
{
	int in_time = IN_TIME(patience_ms());

	if (in_time && ms > in_time) {
		note_rush(in_time, LATE * ms);
		return;
	}
	ast_mutex_lock(&rush_lock);
	busy_until = patience_now() + ms;
	ast_mutex_unlock(&rush_lock);
}

void patience_begin(struct dial *dial)
{
	int ms = patience_ms();

	if (!ms) {
		return;
	}
	dial_wait(dial);
	ao2_ref(dial, +1);
	if (ast_sched_add_variable(timers, ms, on_patience_over, dial, 1) < 0) {
		ao2_ref(dial, -1);
	}
}

int patience_init(void)
{
	timers = ast_sched_context_create();
	if (!timers || ast_sched_start_thread(timers)) {
		patience_destroy();
		return -1;
	}
	return 0;
}

/*! Let go of what a timer has that will not run. */
static int unref_waiting(const void *data)
{
	ao2_ref((void *) data, -1);
	return 0;
}

void patience_destroy(void)
{
	if (timers) {
		ast_sched_clean_by_callback(timers, on_patience_over, unref_waiting);
		ast_sched_context_destroy(timers);
		timers = NULL;
	}
}

/*
 * offload_left: calls that OffloadDial() leaves to Dial().
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
 * \brief Counts the calls that the Stasis application is not told of, by why.
 *
 * The counters are one global variable, OFFLOAD_PASSED_BY ("overload=3;features=2;away=0;no-pbx=0"), which the application reads over ARI.
 */

#include "asterisk.h"

#include "asterisk/channel.h"
#include "asterisk/lock.h"
#include "asterisk/pbx.h"
#include "asterisk/strings.h"

#include "offload_left.h"

static const char * const names[LEFT_REASONS] = {
	[LEFT_OVERLOAD] = "overload",
	[LEFT_FEATURES] = "features",
	[LEFT_AWAY] = "away",
	[LEFT_NO_PBX] = "no-pbx",
};

/*! Guarded by the lock, as is the variable: of two callers the later one must not write the smaller numbers. */
AST_MUTEX_DEFINE_STATIC(left_lock);
static unsigned int left[LEFT_REASONS];

/*! The lock is held. */
static void publish(void)
{
	char text[128] = "";
	size_t i, used = 0;

	for (i = 0; i < LEFT_REASONS && used < sizeof(text); i++) {
		used += snprintf(text + used, sizeof(text) - used, "%s%s=%u", i ? ";" : "", names[i], left[i]);
	}
	pbx_builtin_setvar_helper(NULL, "OFFLOAD_PASSED_BY", text);
}

void left_init(void)
{
	ast_mutex_lock(&left_lock);
	publish();
	ast_mutex_unlock(&left_lock);
}

void left_note(struct ast_channel *caller, enum left_reason reason)
{
	ast_mutex_lock(&left_lock);
	left[reason]++;
	publish();
	ast_mutex_unlock(&left_lock);
	pbx_builtin_setvar_helper(caller, "OFFLOAD_STATUS", "relayed");
	pbx_builtin_setvar_helper(caller, "OFFLOAD_REASON", names[reason]);
}

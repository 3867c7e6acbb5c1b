/*
 * offload_dial: a caller in OffloadDial(), and the channels that are dialled for it.
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
 * \brief What is known of a caller: what is dialled for it, who answered, whether it waits.
 *
 * The beginning and end of dialling are published with both channels, for CDR, CEL and AMI. Asterisk
 * publishes what it dials for ARI without the caller (res/stasis/control.c, main/bridge_channel.c).
 *
 * A dialled channel is locked whenever something happens to it. So the caller, which is another channel, is never
 * locked from there: only the lock of struct dial is taken, and nothing but that of a container under it.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/lock.h"
#include "asterisk/pbx.h"
#include "asterisk/stasis.h"
#include "asterisk/stasis_channels.h"
#include "asterisk/strings.h"
#include "asterisk/vector.h"

#include "offload_dial.h"
#include "offload_patience.h"

struct dial {
	/*! Its topic, on which is published what is dialled for it. */
	struct stasis_topic *topic;
	/*! Itself, until it leaves. */
	struct ast_channel *caller;
	/*! The unique ids of the dialled channels of which nothing is known yet. */
	AST_VECTOR(, char *) pending;
	/*! Name and number of the first channel that answered; NULL before. */
	char *peer_name;
	char *peer_number;
	/*! Whether, and since when, the application has its time to begin with it; whether it was taken back because that was over. */
	int waits;
	int64_t waits_since;
	int given_up;
	/*! Where it is in the dialplan. */
	char *context;
	char *exten;
	/*! What is known of the dialled channels that forwarded. */
	struct ao2_container *forwards;
	/*! Its unique id. */
	char id[];
};

AO2_STRING_FIELD_HASH_FN(dial, id)
AO2_STRING_FIELD_CMP_FN(dial, id)

static struct ao2_container *dials;

/*! How many callers wait for the application to begin with them. */
static int waiting;

static void dial_destroy(void *obj)
{
	struct dial *dial = obj;

	AST_VECTOR_CALLBACK_VOID(&dial->pending, ast_free);
	AST_VECTOR_FREE(&dial->pending);
	ast_free(dial->peer_name);
	ast_free(dial->peer_number);
	ast_free(dial->context);
	ast_free(dial->exten);
	ao2_cleanup(dial->forwards);
	ao2_cleanup(dial->topic);
}

int dials_init(void)
{
	dials = ao2_container_alloc_hash(AO2_ALLOC_OPT_LOCK_MUTEX, 0, 127, dial_hash_fn, NULL, dial_cmp_fn);
	return dials ? 0 : -1;
}

void dials_destroy(void)
{
	ao2_cleanup(dials);
	dials = NULL;
}

struct dial *dial_begin(struct ast_channel *caller)
{
	struct dial *dial;
	const char *id;

	ast_channel_lock(caller);
	id = ast_channel_uniqueid(caller);
	dial = ao2_alloc(sizeof(*dial) + strlen(id) + 1, dial_destroy);
	if (dial) {
		strcpy(dial->id, id); /* Safe */
		dial->topic = ao2_bump(ast_channel_topic(caller));
		dial->context = ast_strdup(ast_channel_context(caller));
		dial->exten = ast_strdup(ast_channel_exten(caller));
		dial->forwards = forwards_alloc();
	}
	ast_channel_unlock(caller);
	if (!dial) {
		return NULL;
	}
	dial->caller = caller;
	AST_VECTOR_INIT(&dial->pending, 0);
	ao2_link(dials, dial);
	return dial;
}

/*! The caller waits no longer, if it did; lock held. */
static void settle(struct dial *dial)
{
	if (dial->waits) {
		dial->waits = 0;
		ast_atomic_fetchadd_int(&waiting, -1);
	}
}

void dial_wait(struct dial *dial)
{
	ao2_lock(dial);
	dial->waits = 1;
	dial->waits_since = patience_now();
	ast_atomic_fetchadd_int(&waiting, +1);
	ao2_unlock(dial);
}

int dials_wait(void)
{
	return ast_atomic_fetchadd_int(&waiting, 0) > 0;
}

int dial_give_up(struct dial *dial)
{
	int given_up;

	ao2_lock(dial);
	if (dial->waits && dial->caller) {
		settle(dial);
		dial->given_up = 1;
	}
	given_up = dial->given_up && dial->caller;
	ao2_unlock(dial);
	return given_up;
}

int dial_is_given_up(struct dial *dial)
{
	int given_up;

	ao2_lock(dial);
	given_up = dial->given_up;
	ao2_unlock(dial);
	return given_up;
}

/*! Publish the beginning (no status) or the end of dialling, without a lock of a channel. */
static void publish(struct dial *dial, const char *peer_id, const char *dialstring, const char *status)
{
	publish_dial(dial->topic, dial->id, peer_id, dialstring, status);
}

/*! End the dialling of every channel that is pending but one; lock held. */
static void end_others(struct dial *dial, const char *but, const char *status)
{
	size_t i;

	for (i = AST_VECTOR_SIZE(&dial->pending); i-- > 0;) {
		char *peer_id = AST_VECTOR_GET(&dial->pending, i);

		if (but && !strcmp(peer_id, but)) {
			continue;
		}
		publish(dial, peer_id, NULL, status);
		AST_VECTOR_REMOVE_UNORDERED(&dial->pending, i);
		ast_free(peer_id);
	}
}

/*! End the dialling of one channel, if it is pending; return whether it was; lock held. */
static int end_one(struct dial *dial, const char *peer_id, const char *status)
{
	size_t i;

	for (i = 0; i < AST_VECTOR_SIZE(&dial->pending); i++) {
		if (!strcmp(AST_VECTOR_GET(&dial->pending, i), peer_id)) {
			publish(dial, peer_id, NULL, status);
			ast_free(AST_VECTOR_REMOVE_UNORDERED(&dial->pending, i));
			return 1;
		}
	}
	return 0;
}

void dial_answered(struct dial *dial, struct ast_channel *peer)
{
	ao2_lock(dial);
	if (!dial->peer_name && dial->caller) {
		end_others(dial, ast_channel_uniqueid(peer), "CANCEL");
		if (!end_one(dial, ast_channel_uniqueid(peer), "ANSWER")) {
			/* It has picked the call up, and has the place of the channel that was dialled. */
			publish(dial, ast_channel_uniqueid(peer), NULL, NULL);
			publish(dial, ast_channel_uniqueid(peer), NULL, "ANSWER");
		}
		dial->peer_name = ast_strdup(ast_channel_name(peer));
		dial->peer_number = ast_strdup(S_OR(pbx_builtin_getvar_helper(peer, "DIALEDPEERNUMBER"), ""));
	}
	ao2_unlock(dial);
}

void dial_ended(struct dial *dial, const char *peer_id, const char *status)
{
	ao2_lock(dial);
	/* The end of a callee that follows from the caller's is a CANCEL, even if the caller's thread is late to say so. */
	end_one(dial, peer_id, dial->caller && ast_check_hangup(dial->caller) ? "CANCEL" : status);
	ao2_unlock(dial);
}

int dial_add(struct dial *dial, const char *peer_id, const char *number)
{
	char *pending = ast_strdup(peer_id);
	int given_up;

	if (!pending) {
		return -1;
	}
	ao2_lock(dial);
	given_up = dial->given_up;
	if (!given_up && dial->waits) {
		settle(dial);
		patience_note_begun(patience_now() - dial->waits_since);
	}
	if (!given_up && dial->caller && !AST_VECTOR_APPEND(&dial->pending, pending)) {
		publish(dial, peer_id, number, NULL);
	} else {
		ast_free(pending);
	}
	ao2_unlock(dial);
	return given_up;
}

struct ast_channel *dial_caller(struct dial *dial)
{
	struct ast_channel *caller;

	ao2_lock(dial);
	caller = ao2_bump(dial->caller);
	ao2_unlock(dial);
	return caller;
}

static int is_caller(void *obj, void *arg, int flags attribute_unused)
{
	struct dial *dial = obj;

	return dial->caller == arg ? CMP_MATCH | CMP_STOP : 0;
}

int dials_have(const struct ast_channel *chan)
{
	struct dial *dial = ao2_callback(dials, 0, is_caller, (void *) chan);

	ao2_cleanup(dial);
	return dial != NULL;
}

void dial_leave(struct dial *dial, const char *status)
{
	ao2_lock(dial);
	settle(dial);
	dial->caller = NULL;
	end_others(dial, NULL, status);
	ao2_unlock(dial);
	ao2_unlink(dials, dial);
}

const char *dial_peer_name(const struct dial *dial)
{
	return dial->peer_name;
}

const char *dial_peer_number(const struct dial *dial)
{
	return dial->peer_number;
}

struct dial *dial_find(const char *caller_id)
{
	return ao2_find(dials, caller_id, OBJ_SEARCH_KEY);
}

const char *dial_caller_id(const struct dial *dial)
{
	return dial->id;
}

struct ao2_container *dial_forwards(const struct dial *dial)
{
	return dial->forwards;
}

const char *dial_context(const struct dial *dial)
{
	return S_OR(dial->context, "");
}

const char *dial_exten(const struct dial *dial)
{
	return S_OR(dial->exten, "");
}

/*
 * offload_forward: what Dial() reads on a dialled channel that forwards the call.
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
 * \brief Who forwards is about to be destroyed when ARI tells of it.
 *
 * Dial() reads FORWARD_CONTEXT and what a 302 says of earlier diversions on the channel that forwards (app_dial.c,
 * do_forward). It is noted at the channel's next frame, or at its end; whoever asks before looks at the channel itself.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/pbx.h"
#include "asterisk/strings.h"

#include "offload_dial.h"

struct forward {
	struct ast_party_redirecting redirecting;
	/*! Where a number is looked for. */
	char *context;
	/*! The unique id of the channel. */
	char id[];
};

AO2_STRING_FIELD_CMP_FN(forward, id)

static void forward_destroy(void *obj)
{
	struct forward *forward = obj;

	ast_party_redirecting_free(&forward->redirecting);
	ast_free(forward->context);
}

struct ao2_container *forwards_alloc(void)
{
	return ao2_container_alloc_list(AO2_ALLOC_OPT_LOCK_MUTEX, 0, NULL, forward_cmp_fn);
}

static struct forward *forward_find(struct ao2_container *forwards, const char *id)
{
	return forwards ? ao2_find(forwards, id, OBJ_SEARCH_KEY) : NULL;
}

void forwards_note(struct ao2_container *forwards, struct ast_channel *chan)
{
	const char *id = ast_channel_uniqueid(chan);
	struct forward *forward;

	if (!forwards || ast_strlen_zero(ast_channel_call_forward(chan))) {
		return;
	}
	forward = forward_find(forwards, id);
	if (!forward && (forward = ao2_alloc(sizeof(*forward) + strlen(id) + 1, forward_destroy))) {
		strcpy(forward->id, id); /* Safe */
		forward->context = ast_strdup(
			S_OR(pbx_builtin_getvar_helper(chan, "FORWARD_CONTEXT"), ast_channel_context(chan)));
		ast_party_redirecting_init(&forward->redirecting);
		ast_party_redirecting_copy(&forward->redirecting, ast_channel_redirecting(chan));
		ao2_link(forwards, forward);
	}
	ao2_cleanup(forward);
}

/*! What is known of a channel that forwarded, an ao2 object; NULL if nothing is. No channel may be locked. */
static struct forward *forward_of(struct dial *dial, const char *id)
{
	struct ast_channel *chan = ast_channel_get_by_name(id);

	if (chan) {
		ast_channel_lock(chan);
		forwards_note(dial_forwards(dial), chan);
		ast_channel_unlock(chan);
		ast_channel_unref(chan);
	}
	return forward_find(dial_forwards(dial), id);
}

static int offload_forward_read(struct ast_channel *chan, const char *cmd attribute_unused, char *data, char *buf,
	size_t len)
{
	struct dial *dial = chan ? dial_find(ast_channel_uniqueid(chan)) : NULL;
	struct forward *forward = dial ? forward_of(dial, S_OR(data, "")) : NULL;

	ast_copy_string(buf, forward ? S_OR(forward->context, "") : "", len);
	ao2_cleanup(forward);
	ao2_cleanup(dial);
	return 0;
}

static int offload_forward_write(struct ast_channel *chan, const char *cmd, char *data attribute_unused,
	const char *value)
{
	char *callee_id = ast_strdupa(S_OR(value, ""));
	const char *caller_id = strsep(&callee_id, ",");
	struct dial *dial = dial_find(caller_id);
	struct forward *forward = dial ? forward_of(dial, S_OR(callee_id, "")) : NULL;
	struct ast_party_number *from;

	if (!chan || !forward) {
		ast_log(LOG_WARNING, "%s: needs a channel, the id of a caller, and that of a channel that forwarded\n", cmd);
		ao2_cleanup(forward);
		ao2_cleanup(dial);
		return -1;
	}
	ast_channel_lock(chan);
	ast_party_redirecting_copy(ast_channel_redirecting(chan), &forward->redirecting);
	from = &ast_channel_redirecting(chan)->from.number;
	if (!from->valid || ast_strlen_zero(from->str)) {
		ast_party_number_free(from);
		ast_party_number_init(from);
		from->valid = 1;
		from->str = ast_strdup(dial_exten(dial));
	}
	ast_channel_unlock(chan);
	ao2_ref(forward, -1);
	ao2_ref(dial, -1);
	return 0;
}

struct ast_custom_function offload_forward = {
	.name = "OFFLOAD_FORWARD",
	.read = offload_forward_read,
	.write = offload_forward_write,
};

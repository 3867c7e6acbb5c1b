/*
 * offload_peer: a channel that is dialled for a caller in OffloadDial().
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
 * \brief What has to be done in the instant in which something happens to a dialled channel.
 *
 * OFFLOAD_CALLER() names the caller on a channel that the application has created for it. From then on the
 * channel is followed as app_dial.c (wait_for_answer) follows it: its protocol's causes are passed on to the
 * caller, and its answer and its end are noted.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/dial.h"
#include "asterisk/framehook.h"
#include "asterisk/module.h"
#include "asterisk/pbx.h"
#include "asterisk/strings.h"

#include "offload_dial.h"

/*!
 * Set where a dialled channel is in the dialplan, for Pickup() of whom an extension rings; channel locked.
 *
 * There is no priority 0: one that cannot be dialled is sent there (res/stasis/control.c, app_control_dial).
 */
static void set_place(struct ast_channel *peer, const char *context, const char *exten)
{
	ast_channel_dialcontext_set(peer, context);
	ast_channel_exten_set(peer, exten);
	ast_channel_priority_set(peer, 0);
}

/*! Pass a frame on to the caller if it has a cause of the dialled channel's protocol, for HANGUPCAUSE() (func_hangupcause.c). */
static void pass_cause(struct dial *dial, const struct ast_frame *frame)
{
	struct ast_channel *caller;

	if (frame->frametype != AST_FRAME_CONTROL || frame->subclass.integer != AST_CONTROL_PVT_CAUSE_CODE) {
		return;
	}
	caller = dial_caller(dial);
	if (caller) {
		ast_channel_dialed_causes_add(caller, frame->data.ptr, frame->datalen);
		ast_channel_unref(caller);
	}
}

static struct ast_frame *on_frame(struct ast_channel *chan, struct ast_frame *frame,
	enum ast_framehook_event event, void *data)
{
	struct dial *dial = data;
	const struct ast_frame *unread;

	forwards_note(dial_forwards(dial), chan);
	if (event == AST_FRAMEHOOK_EVENT_DETACHED) {
		/* A channel that is hung up is not read to the end of its queue (channel.c, __ast_read). */
		AST_LIST_TRAVERSE(ast_channel_readq(chan), unread, frame_list) {
			pass_cause(dial, unread);
		}
		dial_ended(dial, ast_channel_uniqueid(chan),
			ast_hangup_cause_to_dial_status(ast_channel_hangupcause(chan)));
	} else if (event == AST_FRAMEHOOK_EVENT_READ && frame && frame->frametype == AST_FRAME_CONTROL) {
		pass_cause(dial, frame);
		if (frame->subclass.integer == AST_CONTROL_ANSWER) {
			dial_answered(dial, chan);
			set_place(chan, "", "");
		}
	}
	return frame;
}

/*! Whether the hook needs frames of a type. Not needing audio, it does not stand against native bridging. */
static int needs_frames(void *data attribute_unused, enum ast_frame_type type)
{
	return type == AST_FRAME_CONTROL;
}

static void hook_destroy(void *data)
{
	ao2_ref(data, -1);
	ast_module_unref(AST_MODULE_SELF);
}

static int offload_caller_write(struct ast_channel *chan, const char *cmd, char *data attribute_unused,
	const char *value)
{
	struct ast_framehook_interface hook = {
		.version = AST_FRAMEHOOK_INTERFACE_VERSION,
		.event_cb = on_frame,
		.destroy_cb = hook_destroy,
		.consume_cb = needs_frames,
	};
	char *number = ast_strdupa(S_OR(value, ""));
	const char *id = strsep(&number, ",");
	struct dial *dial;
	int given_up, hooked;

	if (!chan) {
		ast_log(LOG_WARNING, "%s: no channel that was dialled\n", cmd);
		return -1;
	}
	pbx_builtin_setvar_helper(chan, "DIALEDPEERNUMBER", S_OR(number, ""));
	dial = dial_find(id);
	if (!dial) {
		/* A caller that is in Stasis() itself, or has left. */
		return 0;
	}
	given_up = dial_add(dial, ast_channel_uniqueid(chan), number);
	if (given_up) {
		ao2_ref(dial, -1);
		if (given_up < 0) {
			return -1;
		}
		/* Dial() dials for it. */
		ast_softhangup(chan, AST_SOFTHANGUP_DEV);
		return 0;
	}

	ast_module_ref(AST_MODULE_SELF);
	hook.data = dial;
	ast_channel_lock(chan);
	set_place(chan, dial_context(dial), dial_exten(dial));
	hooked = ast_framehook_attach(chan, &hook);
	ast_channel_unlock(chan);
	if (hooked < 0) {
		hook_destroy(dial);
		return -1;
	}
	return 0;
}

struct ast_custom_function offload_caller = {
	.name = "OFFLOAD_CALLER",
	.write = offload_caller_write,
};

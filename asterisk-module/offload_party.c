/*
 * offload_party: who a dialled channel is, and who is told of it.
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
 * \brief Identities between a caller and the channels that are dialled for it, as app_dial.c has them.
 *
 * A bridge passes on what its channels learn of each other, and at a join tells each who the other is. Dial() passes
 * on what the dialled channel learns until the answer, unless option i or I forbids it, and tells nothing else.
 */

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/callerid.h"
#include "asterisk/channel.h"
#include "asterisk/datastore.h"
#include "asterisk/framehook.h"
#include "asterisk/module.h"
#include "asterisk/pbx.h"
#include "asterisk/stasis_channels.h"
#include "asterisk/strings.h"

#include "offload_party.h"

/*! A dialled channel, an ao2 object; the channel's lock guards it. */
struct party {
	/*! Option i: a redirection is not announced, because it is not followed. */
	unsigned int stays:1;
	/*! Option I: until the answer nobody is told of identities and redirections. */
	unsigned int silent:1;
	/*! It has an identity of its own, or has told one. */
	unsigned int known:1;
	/*! A frame was read since the phone forwarded the call: the bridge has published that. */
	unsigned int forwarded:1;
};

/*! For a hook and a datastore: each has a reference to the party and to the module, whose code it needs at its end. */
static void *hold(struct party *party)
{
	ast_module_ref(AST_MODULE_SELF);
	return ao2_bump(party);
}

static void release(void *party)
{
	ao2_ref(party, -1);
	ast_module_unref(AST_MODULE_SELF);
}

static const struct ast_datastore_info party_info = {
	.type = "offload_party",
	.destroy = release,
};

/*!
 * Publish at its end that a channel was forwarded, if nothing else has; channel locked.
 *
 * A bridge publishes it before it reads the next frame (main/bridge_channel.c, bridge_handle_trip), and does not come to that
 * if it notices first that the phone has ended the dialog.
 */
static void follow_forward(struct ast_channel *chan, struct party *party, enum ast_framehook_event event)
{
	if (event == AST_FRAMEHOOK_EVENT_READ) {
		party->forwarded = 1;
	} else if (event == AST_FRAMEHOOK_EVENT_DETACHED && !party->forwarded) {
		ast_channel_publish_dial_forward(NULL, chan, NULL, NULL, "CANCEL", ast_channel_call_forward(chan));
	}
}

static struct ast_frame *on_frame(struct ast_channel *chan, struct ast_frame *frame,
	enum ast_framehook_event event, void *data)
{
	struct party *party = data;
	int drop = 0;

	if (!ast_strlen_zero(ast_channel_call_forward(chan))) {
		follow_forward(chan, party, event);
	}
	if (!frame || frame->frametype != AST_FRAME_CONTROL) {
		return frame;
	}
	switch (frame->subclass.integer) {
	case AST_CONTROL_ANSWER:
		if (event == AST_FRAMEHOOK_EVENT_READ) {
			party->silent = 0;
		}
		break;
	case AST_CONTROL_CONNECTED_LINE:
		drop = party->silent;
		if (event == AST_FRAMEHOOK_EVENT_READ) {
			party->known = 1;
		}
		break;
	case AST_CONTROL_REDIRECTING:
		drop = party->silent || (party->stays && !ast_strlen_zero(ast_channel_call_forward(chan)));
		break;
	default:
		break;
	}
	if (!drop) {
		return frame;
	}
	ast_frfree(frame);
	return &ast_null_frame;
}

/*! Whether the hook needs frames of a type. Not needing audio, it does not stand against native bridging. */
static int needs_frames(void *data attribute_unused, enum ast_frame_type type)
{
	return type == AST_FRAME_CONTROL;
}

/*! Hang the party on its channel, with a hook that follows its frames; channel locked. */
static int follow(struct ast_channel *chan, struct party *party)
{
	struct ast_framehook_interface hook = {
		.version = AST_FRAMEHOOK_INTERFACE_VERSION,
		.event_cb = on_frame,
		.destroy_cb = release,
		.consume_cb = needs_frames,
		.data = party,
	};
	struct ast_datastore *store = ast_datastore_alloc(&party_info, NULL);

	if (!store) {
		return -1;
	}
	store->data = hold(party);
	ast_channel_datastore_add(chan, store);

	hold(party);
	if (ast_framehook_attach(chan, &hook) < 0) {
		release(party);
		return -1;
	}
	return 0;
}

/*!
 * Complete the caller id of a dialled channel: without a number by the extension that dials it and the name of its hint,
 * without a name by the one that the dialplan has given the caller, but not if it is dialled because another one forwards.
 * Return whether it has a number of its own; both channels locked.
 */
static int complete_caller_id(struct ast_channel *chan, struct ast_channel *caller, char *hint_name, int forwarded)
{
	const struct ast_party_id *own = &ast_channel_caller(chan)->id;
	const struct ast_party_id *given = &ast_channel_connected(caller)->id;
	const char *name = S_COR(own->name.valid, own->name.str, "");
	const char *given_name = forwarded ? "" : S_COR(given->name.valid, given->name.str, "");
	int has_number = !ast_strlen_zero(S_COR(own->number.valid, own->number.str, NULL));
	struct ast_party_caller complete;

	/* What it leaves empty stays as it is: a name of the channel's own is not in it. */
	ast_party_caller_set_init(&complete, ast_channel_caller(chan));
	if (!has_number) {
		ast_party_id_init(&complete.id);
		complete.id.number.valid = 1;
		complete.id.number.str = ast_strdupa(ast_channel_exten(caller));
		if (!ast_strlen_zero(hint_name)) {
			complete.id.name.valid = 1;
			complete.id.name.str = hint_name;
		}
		name = hint_name;
	}
	if (ast_strlen_zero(name) && !ast_strlen_zero(given_name)) {
		complete.id.name = given->name;
	} else if (has_number) {
		return 1;
	}
	ast_channel_set_caller_event(chan, &complete, NULL);
	return has_number;
}

static int offload_party_write(struct ast_channel *chan, const char *cmd, char *data, const char *value)
{
	struct ast_channel *caller = ast_strlen_zero(value) ? NULL : ast_channel_get_by_name(value);
	char hint_name[AST_MAX_EXTENSION] = "";
	const char *context, *exten;
	struct party *party;
	int res, forwarded;

	party = chan && caller && caller != chan ? ao2_alloc(sizeof(*party), NULL) : NULL;
	if (!party) {
		ast_log(LOG_WARNING, "%s: needs a channel, and the unique id of its caller\n", cmd);
		ast_channel_cleanup(caller);
		return -1;
	}
	party->stays = strchr(S_OR(data, ""), 'i') != NULL;
	party->silent = strchr(S_OR(data, ""), 'I') != NULL;
	forwarded = strchr(S_OR(data, ""), 'f') != NULL;

	ast_channel_lock(caller);
	context = ast_strdupa(ast_channel_context(caller));
	exten = ast_strdupa(ast_channel_exten(caller));
	ast_channel_unlock(caller);
	ast_get_hint(NULL, 0, hint_name, sizeof(hint_name), caller, context, exten);

	ast_channel_lock_both(chan, caller);
	party->known = complete_caller_id(chan, caller, hint_name, forwarded);
	ast_channel_unlock(caller);
	res = follow(chan, party);
	ast_channel_unlock(chan);

	ao2_ref(party, -1);
	ast_channel_unref(caller);
	return res;
}

struct ast_custom_function offload_party = {
	.name = "OFFLOAD_PARTY",
	.write = offload_party_write,
};

/*! Read who a channel is, unless Dial() would know nothing of it; return whether it does. */
static int identity_of(struct ast_channel *peer, struct ast_party_connected_line *connected)
{
	struct ast_datastore *store;
	struct party *party;

	ast_channel_lock(peer);
	store = ast_channel_datastore_find(peer, &party_info, NULL);
	party = store ? store->data : NULL;
	if (party && !party->known) {
		ast_channel_unlock(peer);
		return 0;
	}
	ast_connected_line_copy_from_caller(connected, ast_channel_caller(peer));
	ast_channel_unlock(peer);
	connected->source = AST_CONNECTED_LINE_UPDATE_SOURCE_ANSWER;
	return 1;
}

static int offload_connected_write(struct ast_channel *chan, const char *cmd, char *data attribute_unused,
	const char *value)
{
	struct ast_channel *peer = ast_strlen_zero(value) ? NULL : ast_channel_get_by_name(value);
	struct ast_party_connected_line connected;
	int inhibited;

	if (!chan || !peer || peer == chan) {
		ast_log(LOG_WARNING, "%s: needs a channel, and the unique id of its peer\n", cmd);
		ast_channel_cleanup(peer);
		return -1;
	}
	ast_party_connected_line_init(&connected);
	if (identity_of(peer, &connected)) {
		/* Of the subroutine of CONNECTED_LINE_SEND_SUB, which has the rights that the dialplan has. */
		inhibited = ast_thread_inhibit_escalations_swap(0);
		if (ast_channel_connected_line_sub(NULL, chan, &connected, 0)) {
			ast_channel_update_connected_line(chan, &connected, NULL);
		}
		ast_thread_inhibit_escalations_swap(inhibited);
	}
	ast_party_connected_line_free(&connected);
	ast_channel_unref(peer);
	return 0;
}

struct ast_custom_function offload_connected = {
	.name = "OFFLOAD_CONNECTED",
	.write = offload_connected_write,
};

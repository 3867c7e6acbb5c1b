/*
 * app_offload_dial: Dial() by the Stasis application, and what Dial() leaves behind.
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
 * \brief The part of Dial() that ARI cannot do: what has to be done in the caller's thread, or in the instant in
 * which something happens to a dialled channel.
 *
 * OffloadDial() hands the caller to the Stasis application. When the caller has left it, hung up or not, and before
 * any h extension or hangup handler runs, it sets what app_dial.c sets at the end of a bridge.
 *
 * OFFLOAD_CALLER() names the caller on a channel that the application has created for it. From then on the
 * channel is followed as app_dial.c (wait_for_answer) follows it: its protocol's causes are passed on to the
 * caller, and the beginning and end of dialling are published with both channels, for CDR, CEL and AMI. Asterisk
 * publishes what it dials for ARI without the caller (res/stasis/control.c, main/bridge_channel.c).
 *
 * A dialled channel is locked whenever something happens to it. So the caller, which is another channel, is never
 * locked from there: only the lock of struct dial is taken, and nothing but that of a container under it.
 */

/*** MODULEINFO
	<depend>res_stasis</depend>
	<support_level>extended</support_level>
 ***/

#include "asterisk.h"

#include "asterisk/app.h"
#include "asterisk/astobj2.h"
#include "asterisk/channel.h"
#include "asterisk/dial.h"
#include "asterisk/framehook.h"
#include "asterisk/json.h"
#include "asterisk/module.h"
#include "asterisk/pbx.h"
#include "asterisk/stasis.h"
#include "asterisk/stasis_app.h"
#include "asterisk/stasis_app_impl.h"
#include "asterisk/stasis_channels.h"
#include "asterisk/strings.h"
#include "asterisk/vector.h"

static const char app[] = "OffloadDial";

/* The name under which the application registers itself. */
static const char stasis_application[] = "offload";

/* What Dial() empties when it begins (app_dial.c, dial_exec_full). */
static const char * const dial_variables[] = {
	"DIALSTATUS", "DIALEDPEERNUMBER", "DIALEDPEERNAME", "ANSWEREDTIME", "ANSWEREDTIME_MS", "DIALEDTIME",
	"DIALEDTIME_MS", "RINGTIME", "RINGTIME_MS", "PROGRESSTIME", "PROGRESSTIME_MS",
};

/*! A caller in OffloadDial(). */
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
	/*! Its unique id. */
	char id[];
};

AO2_STRING_FIELD_HASH_FN(dial, id)
AO2_STRING_FIELD_CMP_FN(dial, id)

static struct ao2_container *dials;

static void dial_destroy(void *obj)
{
	struct dial *dial = obj;

	AST_VECTOR_CALLBACK_VOID(&dial->pending, ast_free);
	AST_VECTOR_FREE(&dial->pending);
	ast_free(dial->peer_name);
	ast_free(dial->peer_number);
	ao2_cleanup(dial->topic);
}

static struct dial *dial_begin(struct ast_channel *caller)
{
	const char *id = ast_channel_uniqueid(caller);
	struct dial *dial = ao2_alloc(sizeof(*dial) + strlen(id) + 1, dial_destroy);

	if (!dial) {
		return NULL;
	}
	strcpy(dial->id, id); /* Safe */
	dial->topic = ao2_bump(ast_channel_topic(caller));
	dial->caller = caller;
	AST_VECTOR_INIT(&dial->pending, 0);
	ao2_link(dials, dial);
	return dial;
}

/*! Publish the beginning (no status) or the end of dialling, as Dial() does, without a lock of a channel. */
static void publish(struct dial *dial, const char *peer_id, const char *dialstring, const char *status)
{
	RAII_VAR(struct ast_channel_snapshot *, caller, ast_channel_snapshot_get_latest(dial->id), ao2_cleanup);
	RAII_VAR(struct ast_channel_snapshot *, peer, ast_channel_snapshot_get_latest(peer_id), ao2_cleanup);
	struct ast_multi_channel_blob *payload;
	struct stasis_message *message;
	struct ast_json *blob;

	if (!caller || !peer || !ast_channel_dial_type()) {
		return;
	}
	blob = ast_json_pack("{s: s, s: s, s: s}", "dialstatus", S_OR(status, ""), "forward", "",
		"dialstring", S_OR(dialstring, ""));
	if (!blob) {
		return;
	}
	payload = ast_multi_channel_blob_create(blob);
	ast_json_unref(blob);
	if (!payload) {
		return;
	}
	ast_multi_channel_blob_add_channel(payload, "caller", caller);
	ast_multi_channel_blob_add_channel(payload, "peer", peer);
	message = stasis_message_create(ast_channel_dial_type(), payload);
	ao2_ref(payload, -1);
	if (message) {
		stasis_publish(dial->topic, message);
		ao2_ref(message, -1);
	}
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

/*! End the dialling of one channel, if it is pending; lock held. */
static void end_one(struct dial *dial, const char *peer_id, const char *status)
{
	size_t i;

	for (i = 0; i < AST_VECTOR_SIZE(&dial->pending); i++) {
		if (!strcmp(AST_VECTOR_GET(&dial->pending, i), peer_id)) {
			publish(dial, peer_id, NULL, status);
			ast_free(AST_VECTOR_REMOVE_UNORDERED(&dial->pending, i));
			return;
		}
	}
}

/*! The first to answer has the call, the others are cancelled, in the order of app_dial.c; peer locked. */
static void answered(struct dial *dial, struct ast_channel *peer)
{
	ao2_lock(dial);
	if (!dial->peer_name && dial->caller) {
		end_others(dial, ast_channel_uniqueid(peer), "CANCEL");
		end_one(dial, ast_channel_uniqueid(peer), "ANSWER");
		dial->peer_name = ast_strdup(ast_channel_name(peer));
		dial->peer_number = ast_strdup(S_OR(pbx_builtin_getvar_helper(peer, "DIALEDPEERNUMBER"), ""));
	}
	ao2_unlock(dial);
}

/*! Pass a cause of the dialled channel's protocol on to the caller, for HANGUPCAUSE() (func_hangupcause.c). */
static void pass_cause(struct dial *dial, const struct ast_frame *frame)
{
	struct ast_channel *caller;

	ao2_lock(dial);
	caller = ao2_bump(dial->caller);
	ao2_unlock(dial);
	if (caller) {
		ast_channel_dialed_causes_add(caller, frame->data.ptr, frame->datalen);
		ast_channel_unref(caller);
	}
}

static struct ast_frame *on_frame(struct ast_channel *chan, struct ast_frame *frame,
	enum ast_framehook_event event, void *data)
{
	struct dial *dial = data;

	if (event == AST_FRAMEHOOK_EVENT_DETACHED) {
		ao2_lock(dial);
		end_one(dial, ast_channel_uniqueid(chan),
			ast_hangup_cause_to_dial_status(ast_channel_hangupcause(chan)));
		ao2_unlock(dial);
	} else if (event == AST_FRAMEHOOK_EVENT_READ && frame && frame->frametype == AST_FRAME_CONTROL) {
		if (frame->subclass.integer == AST_CONTROL_PVT_CAUSE_CODE) {
			pass_cause(dial, frame);
		} else if (frame->subclass.integer == AST_CONTROL_ANSWER) {
			answered(dial, chan);
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
	char *peer_id;
	int hooked;

	if (!chan) {
		ast_log(LOG_WARNING, "%s: no channel that was dialled\n", cmd);
		return -1;
	}
	pbx_builtin_setvar_helper(chan, "DIALEDPEERNUMBER", S_OR(number, ""));
	dial = ao2_find(dials, id, OBJ_SEARCH_KEY);
	if (!dial) {
		/* A caller that is in Stasis() itself, or has left. */
		return 0;
	}
	peer_id = ast_strdup(ast_channel_uniqueid(chan));
	if (!peer_id) {
		ao2_ref(dial, -1);
		return -1;
	}

	ao2_lock(dial);
	if (dial->caller && !AST_VECTOR_APPEND(&dial->pending, peer_id)) {
		publish(dial, peer_id, number, NULL);
	} else {
		ast_free(peer_id);
	}
	ao2_unlock(dial);

	ast_module_ref(AST_MODULE_SELF);
	hook.data = dial;
	ast_channel_lock(chan);
	hooked = ast_framehook_attach(chan, &hook);
	ast_channel_unlock(chan);
	if (hooked < 0) {
		hook_destroy(dial);
		return -1;
	}
	return 0;
}

static struct ast_custom_function offload_caller = {
	.name = "OFFLOAD_CALLER",
	.write = offload_caller_write,
};

static int offload_dial_read(struct ast_channel *chan, const char *cmd attribute_unused,
	char *data attribute_unused, char *buf, size_t len)
{
	struct dial *dial = chan ? ao2_find(dials, ast_channel_uniqueid(chan), OBJ_SEARCH_KEY) : NULL;

	ast_copy_string(buf, dial ? stasis_application : "", len);
	ao2_cleanup(dial);
	return 0;
}

static struct ast_custom_function offload_dial = {
	.name = "OFFLOAD_DIAL",
	.read = offload_dial_read,
};

/*! Set a duration as app_dial.c does (set_duration_var), in whole seconds and in milliseconds; channel locked. */
static void set_duration(struct ast_channel *chan, const char *name, int64_t ms)
{
	char full_name[32], text[32];

	snprintf(text, sizeof(text), "%" PRId64, ms / 1000);
	pbx_builtin_setvar_helper(chan, name, text);
	snprintf(full_name, sizeof(full_name), "%s_MS", name);
	snprintf(text, sizeof(text), "%" PRId64, ms);
	pbx_builtin_setvar_helper(chan, full_name, text);
}

static int has_dialstatus(struct ast_channel *chan, const char *status)
{
	int same;

	ast_channel_lock(chan);
	same = !strcmp(S_OR(pbx_builtin_getvar_helper(chan, "DIALSTATUS"), ""), status);
	ast_channel_unlock(chan);
	return same;
}

/*! What is left to do when the caller leaves: whatever still rings is cancelled, the times of an answered call are set. */
static void dial_end(struct dial *dial, struct ast_channel *chan)
{
	const char *status = has_dialstatus(chan, "NOANSWER") ? "NOANSWER" : "CANCEL";

	ao2_lock(dial);
	dial->caller = NULL;
	end_others(dial, NULL, status);
	ao2_unlock(dial);
	ao2_unlink(dials, dial);

	/* Whoever hangs up in the instant of the answer was faster than the application, or that is dead. */
	if (dial->peer_name && (has_dialstatus(chan, "CANCEL") || has_dialstatus(chan, ""))) {
		pbx_builtin_setvar_helper(chan, "DIALSTATUS", "ANSWER");
		pbx_builtin_setvar_helper(chan, "DIALEDPEERNAME", dial->peer_name);
		pbx_builtin_setvar_helper(chan, "DIALEDPEERNUMBER", S_OR(dial->peer_number, ""));
	}
	ao2_ref(dial, -1);

	if (has_dialstatus(chan, "ANSWER")) {
		ast_channel_lock(chan);
		ast_channel_stage_snapshot(chan);
		set_duration(chan, "ANSWEREDTIME", ast_channel_get_up_time_ms(chan));
		set_duration(chan, "DIALEDTIME", ast_channel_get_duration_ms(chan));
		ast_channel_stage_snapshot_done(chan);
		ast_channel_unlock(chan);
	}
}

/*! Have the application make the call; return 0 when it has had the caller. */
static int offload(struct ast_channel *chan, const char *data)
{
	struct dial *dial;
	char *parse = ast_strdupa(data);
	int res;
	AST_DECLARE_APP_ARGS(args,
		AST_APP_ARG(values)[4];
	);

	if (!stasis_app_is_registered(stasis_application)) {
		return -1;
	}
	dial = dial_begin(chan);
	if (!dial) {
		return -1;
	}
	/* For CDRs, which keep the application that dialled, CEL, and whoever lists channels. */
	ast_channel_lock(chan);
	ast_channel_appl_set(chan, "Dial");
	ast_channel_data_set(chan, data);
	ast_channel_publish_snapshot(chan);
	ast_channel_unlock(chan);

	AST_STANDARD_APP_ARGS(args, parse);
	res = stasis_app_exec(chan, stasis_application, args.argc, args.values);
	dial_end(dial, chan);
	return res;
}

static int offload_dial_exec(struct ast_channel *chan, const char *data)
{
	struct ast_app *dial;
	size_t i;
	int res;

	ast_channel_lock(chan);
	ast_channel_stage_snapshot(chan);
	for (i = 0; i < ARRAY_LEN(dial_variables); i++) {
		pbx_builtin_setvar_helper(chan, dial_variables[i], "");
	}
	ast_channel_stage_snapshot_done(chan);
	ast_channel_unlock(chan);

	data = S_OR(data, "");
	res = offload(chan, data);
	if (ast_check_hangup(chan)) {
		if (has_dialstatus(chan, "")) {
			pbx_builtin_setvar_helper(chan, "DIALSTATUS", "CANCEL");
		}
		return res ? -1 : 0;
	}
	if (!has_dialstatus(chan, "INVALIDARGS") && (!res || !has_dialstatus(chan, ""))) {
		return 0;
	}
	/* The application is not there, or leaves these arguments to Dial(). */
	dial = pbx_findapp("Dial");
	if (!dial) {
		ast_log(LOG_ERROR, "%s on %s: Dial() is not loaded\n", app, ast_channel_name(chan));
		return -1;
	}
	return pbx_exec(chan, dial, data);
}

static int unload_module(void)
{
	ast_unregister_application(app);
	ast_custom_function_unregister(&offload_dial);
	ast_custom_function_unregister(&offload_caller);
	ao2_cleanup(dials);
	dials = NULL;
	return 0;
}

static int load_module(void)
{
	dials = ao2_container_alloc_hash(AO2_ALLOC_OPT_LOCK_MUTEX, 0, 127, dial_hash_fn, NULL, dial_cmp_fn);
	if (!dials) {
		return AST_MODULE_LOAD_DECLINE;
	}
	if (ast_custom_function_register(&offload_caller) || ast_custom_function_register(&offload_dial)
		|| ast_register_application_xml(app, offload_dial_exec)) {
		unload_module();
		return AST_MODULE_LOAD_DECLINE;
	}
	return AST_MODULE_LOAD_SUCCESS;
}

AST_MODULE_INFO(ASTERISK_GPL_KEY, AST_MODFLAG_DEFAULT, "Dial() by the Stasis application",
	.support_level = AST_MODULE_SUPPORT_EXTENDED,
	.load = load_module,
	.unload = unload_module,
	.requires = "res_stasis",
);

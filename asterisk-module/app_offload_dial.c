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
 * \brief The part of Dial() that ARI cannot do, because it has to be done in the caller's thread.
 *
 * OffloadDial() hands the caller to the Stasis application. When the caller has left it, hung up or not, and before
 * any h extension or hangup handler runs, it sets what app_dial.c sets at the end of a bridge.
 *
 * What is done in the instant in which something happens to a dialled channel is in offload_dial.c, who is told of
 * whom in offload_party.c.
 */

/*** MODULEINFO
	<depend>res_stasis</depend>
	<support_level>extended</support_level>
 ***/

#include "asterisk.h"

#include "asterisk/app.h"
#include "asterisk/astobj2.h"
#include "asterisk/bridge_after.h"
#include "asterisk/channel.h"
#include "asterisk/features_config.h"
#include "asterisk/module.h"
#include "asterisk/pbx.h"
#include "asterisk/stasis_app.h"
#include "asterisk/stasis_app_impl.h"
#include "asterisk/stasis_channels.h"
#include "asterisk/strings.h"

#include "offload_dial.h"
#include "offload_left.h"
#include "offload_party.h"
#include "offload_patience.h"

static const char app[] = "OffloadDial";

/* The name under which the application registers itself. */
static const char stasis_application[] = "offload";

/* What Dial() empties when it begins (app_dial.c, dial_exec_full). */
static const char * const dial_variables[] = {
	"DIALSTATUS", "DIALEDPEERNUMBER", "DIALEDPEERNAME", "ANSWEREDTIME", "ANSWEREDTIME_MS", "DIALEDTIME",
	"DIALEDTIME_MS", "RINGTIME", "RINGTIME_MS", "PROGRESSTIME", "PROGRESSTIME_MS",
};

static int offload_dial_read(struct ast_channel *chan, const char *cmd attribute_unused,
	char *data attribute_unused, char *buf, size_t len)
{
	ast_copy_string(buf, chan && dials_have(chan) ? stasis_application : "", len);
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
	dial_leave(dial, has_dialstatus(chan, "NOANSWER") ? "NOANSWER" : "CANCEL");

	/* Whoever hangs up in the instant of the answer was faster than the application, or that is dead. */
	if (dial_peer_name(dial) && (has_dialstatus(chan, "CANCEL") || has_dialstatus(chan, ""))) {
		pbx_builtin_setvar_helper(chan, "DIALSTATUS", "ANSWER");
		pbx_builtin_setvar_helper(chan, "DIALEDPEERNAME", dial_peer_name(dial));
		pbx_builtin_setvar_helper(chan, "DIALEDPEERNUMBER", S_OR(dial_peer_number(dial), ""));
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

/*! Whether an option is given, outside of the arguments in parentheses of others. */
static int has_option(const char *options, const char *letters)
{
	int depth = 0;

	for (; *options; options++) {
		if (*options == '\\' && options[1]) {
			options++;
		} else if (*options == '(') {
			depth++;
		} else if (*options == ')') {
			depth--;
		} else if (depth <= 0 && strchr(letters, *options)) {
			return 1;
		}
	}
	return 0;
}

/*!
 * Whether the call has DTMF features that need a bridge of Dial(): those of DYNAMIC_FEATURES and BRIDGE_FEATURES, which it
 * follows without an option (main/features.c). After an attended transfer, for which func_offload_features makes such a bridge, nobody would limit the call
 * (options L and S) or have the callee go on (e and F).
 */
static int needs_bridge_of_dial(struct ast_channel *chan, const char *options)
{
	struct ao2_container *dynamic;
	char code[AST_FEATURE_MAX_LEN] = "";
	int noted;

	ast_channel_lock(chan);
	noted = !ast_strlen_zero(pbx_builtin_getvar_helper(chan, "BRIDGE_FEATURES"));
	dynamic = ast_get_chan_applicationmap(chan);
	ast_get_builtin_feature(chan, "atxfer", code, sizeof(code));
	ast_channel_unlock(chan);
	ao2_cleanup(dynamic);
	return dynamic || noted || (!ast_strlen_zero(code) && has_option(options, "tT") && has_option(options, "eFLS"));
}

/*! Have the application make the call; return 0 when it has had the caller. */
static int offload(struct ast_channel *chan, const char *data)
{
	struct dial *dial;
	char *parse = ast_strdupa(data);
	const char *options;
	int res, inhibited, given_up;
	AST_DECLARE_APP_ARGS(args,
		AST_APP_ARG(values)[4];
	);

	/* Of a channel without a PBX, Stasis() would make one that goes on in the dialplan (res_stasis.c, stasis_app_exec). */
	if (!ast_channel_pbx(chan)) {
		left_note(chan, LEFT_NO_PBX);
		return -1;
	}
	if (!stasis_app_is_registered(stasis_application)) {
		left_note(chan, LEFT_AWAY);
		return -1;
	}
	AST_STANDARD_APP_ARGS(args, parse);
	options = args.argc < 3 ? "" : args.values[2];
	if (needs_bridge_of_dial(chan, options)) {
		left_note(chan, LEFT_FEATURES);
		return -1;
	}
	if (!patience_admits(chan)) {
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

	/* With option B a subroutine runs on the caller first, for as long as that takes. */
	if (!has_option(options, "B")) {
		patience_begin(dial);
	}
	/* A variable that is set over ARI leaves the thread without the right to functions such as DB() and SHELL()
	 * (app_control_set_channel_var in res/stasis/control.c), which the dialplan has again after Dial(). */
	inhibited = ast_thread_inhibit_escalations_swap(1);
	ast_thread_inhibit_escalations_swap(inhibited);
	/* Where the caller goes on who leaves a bridge other than the application's (res/stasis/control.c,
	 * internal_bridge_after_cb). */
	if (has_option(options, "g")) {
		ast_bridge_set_after_go_on(chan, ast_channel_context(chan), ast_channel_exten(chan),
			ast_channel_priority(chan), NULL);
	}
	res = stasis_app_exec(chan, stasis_application, args.argc, args.values);
	ast_bridge_discard_after_goto(chan);
	ast_thread_inhibit_escalations_swap(inhibited);
	given_up = dial_is_given_up(dial);
	dial_end(dial, chan);
	if (given_up && !ast_check_hangup_locked(chan)) {
		patience_note(chan);
		pbx_builtin_setvar_helper(chan, "DIALSTATUS", "");
		return -1;
	}
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

	if (ast_check_hangup_locked(chan)) {
		/* As Dial(): nobody is dialled for a caller who is gone. */
		pbx_builtin_setvar_helper(chan, "DIALSTATUS", "CANCEL");
		return -1;
	}
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
	/* The application is not there, does not keep up, or leaves these arguments to Dial(). */
	dial = pbx_findapp("Dial");
	if (!dial) {
		ast_log(LOG_ERROR, "%s on %s: Dial() is not loaded\n", app, ast_channel_name(chan));
		return -1;
	}
	return pbx_exec(chan, dial, data);
}

static struct ast_custom_function * const functions[] = {
	&offload_caller, &offload_dial, &offload_party, &offload_connected, &offload_forward,
};

static int unload_module(void)
{
	size_t i;

	ast_unregister_application(app);
	for (i = 0; i < ARRAY_LEN(functions); i++) {
		ast_custom_function_unregister(functions[i]);
	}
	patience_destroy();
	dials_destroy();
	return 0;
}

static int load_module(void)
{
	int failed;
	size_t i;

	if (dials_init()) {
		return AST_MODULE_LOAD_DECLINE;
	}
	if (patience_init()) {
		dials_destroy();
		return AST_MODULE_LOAD_DECLINE;
	}
	left_init();
	failed = ast_register_application_xml(app, offload_dial_exec);
	for (i = 0; i < ARRAY_LEN(functions); i++) {
		failed |= ast_custom_function_register(functions[i]);
	}
	if (failed) {
		unload_module();
		return AST_MODULE_LOAD_DECLINE;
	}
	return AST_MODULE_LOAD_SUCCESS;
}

AST_MODULE_INFO(ASTERISK_GPL_KEY, AST_MODFLAG_DEFAULT,
	"OffloadDial(), OFFLOAD_CALLER(), OFFLOAD_DIAL(), OFFLOAD_PARTY(), OFFLOAD_CONNECTED(), OFFLOAD_FORWARD()",
	.support_level = AST_MODULE_SUPPORT_EXTENDED,
	.load = load_module,
	.unload = unload_module,
	.requires = "res_stasis",
);

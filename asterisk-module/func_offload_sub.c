/*
 * func_offload_sub: subroutines and a new CDR for a channel, from outside the dialplan.
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
 * \brief What options b, B, C, d, e, f, o, r and U of Dial() need and ARI has not.
 *
 * ARI writes a dialplan function in the thread of the channel, between two frames, and holds no lock
 * (res/stasis/control.c, app_control_set_channel_var): the place where Dial() runs such a subroutine, too. The
 * request is answered when the subroutine has returned. The channel must be in no bridge, where another thread
 * reads its frames.
 */

/*** MODULEINFO
	<depend>app_stack</depend>
	<support_level>extended</support_level>
 ***/

#include "asterisk.h"

#include "asterisk/app.h"
#include "asterisk/cdr.h"
#include "asterisk/channel.h"
#include "asterisk/indications.h"
#include "asterisk/max_forwards.h"
#include "asterisk/module.h"
#include "asterisk/pbx.h"
#include "asterisk/stasis_channels.h"
#include "asterisk/strings.h"

/*! An application, and its context, that gives back what a variable takes that is set over ARI: see offload_sub_write(). */
static const char rights_app[] = "OffloadRights";
#define rights_context "offload-rights"

static int offload_rights_exec(struct ast_channel *chan attribute_unused, const char *data attribute_unused)
{
	ast_thread_inhibit_escalations_swap(0);
	return 0;
}

static int offload_sub_write(struct ast_channel *chan, const char *cmd, char *data, const char *value)
{
	int bridged, inhibited, res;

	if (!chan || ast_strlen_zero(value)) {
		ast_log(LOG_WARNING, "%s: needs a channel, and CONTEXT,EXTEN,PRIORITY[(ARGUMENTS)]\n", cmd);
		return -1;
	}
	ast_channel_lock(chan);
	bridged = ast_channel_is_bridged(chan);
	ast_channel_unlock(chan);
	if (bridged) {
		ast_log(LOG_WARNING, "%s: %s is in a bridge\n", cmd, ast_channel_name(chan));
		return -1;
	}
	/* The dialplan has rights that a function set over ARI has not: DB(), SHELL() and the like. */
	inhibited = ast_thread_inhibit_escalations_swap(0);
	/* Of a Local channel it is the other half that runs what comes before the dialling. */
	res = !strcmp(S_OR(data, ""), "pre-dial") ? ast_pre_call(chan, value) : ast_app_exec_sub(NULL, chan, value, 0);
	ast_thread_inhibit_escalations_swap(inhibited);
	return res;
}

/*! Give a channel that is not dialled yet what Dial() gives it of its caller (app_dial.c, dial_exec_full). */
static int offload_inherit_write(struct ast_channel *chan, const char *cmd,
	char *data attribute_unused, const char *value)
{
	struct ast_channel *caller = ast_strlen_zero(value) ? NULL : ast_channel_get_by_name(value);

	if (!chan || !caller || caller == chan) {
		ast_log(LOG_WARNING, "%s: needs a channel, and the unique id of its caller\n", cmd);
		ast_channel_cleanup(caller);
		return -1;
	}
	ast_channel_lock_both(chan, caller);
	ast_channel_stage_snapshot(chan);
	ast_channel_inherit_variables(caller, chan);
	ast_channel_datastore_inherit(caller, chan);
	ast_max_forwards_decrement(chan);
	ast_party_redirecting_copy(ast_channel_redirecting(chan), ast_channel_redirecting(caller));
	ast_channel_dialed(chan)->transit_network_select = ast_channel_dialed(caller)->transit_network_select;
	ast_connected_line_copy_from_caller(ast_channel_connected(chan), ast_channel_caller(caller));
	ast_channel_language_set(chan, ast_channel_language(caller));
	ast_channel_req_accountcodes(chan, caller, AST_CHANNEL_REQUESTOR_BRIDGE_PEER);
	if (ast_strlen_zero(ast_channel_musicclass(chan))) {
		ast_channel_musicclass_set(chan, ast_channel_musicclass(caller));
	}
	ast_channel_adsicpe_set(chan, ast_channel_adsicpe(caller));
	ast_channel_transfercapability_set(chan, ast_channel_transfercapability(caller));
	ast_channel_stage_snapshot_done(chan);
	ast_channel_unlock(caller);
	ast_channel_unlock(chan);
	ast_channel_unref(caller);
	return 0;
}

/*!
 * Have the h extension of its caller's context, if there is one, run on a channel when that ends.
 *
 * Dial() has it run when the channel leaves its bridge (main/bridge_after.c), which no bridge of ARI does.
 */
static int offload_run_h_write(struct ast_channel *chan, const char *cmd,
	char *data attribute_unused, const char *value)
{
	struct ast_channel *caller = ast_strlen_zero(value) ? NULL : ast_channel_get_by_name(value);
	char handler[AST_MAX_CONTEXT + sizeof(",h,1")];
	const char *context, *number;

	if (!chan || !caller || caller == chan) {
		ast_log(LOG_WARNING, "%s: needs a channel, and the unique id of its caller\n", cmd);
		ast_channel_cleanup(caller);
		return -1;
	}
	ast_channel_lock(caller);
	context = ast_strdupa(ast_channel_context(caller));
	ast_channel_unlock(caller);
	ast_channel_unref(caller);

	ast_channel_lock(chan);
	number = ast_strdupa(S_COR(ast_channel_caller(chan)->id.number.valid,
		ast_channel_caller(chan)->id.number.str, ""));
	ast_channel_unlock(chan);
	if (ast_exists_extension(chan, context, "h", 1, number)) {
		snprintf(handler, sizeof(handler), "%s,h,1", context);
		ast_pbx_hangup_handler_push(chan, handler);
		/* The last one that is pushed runs first. */
		ast_pbx_hangup_handler_push(chan, rights_context ",s,1");
	}
	return 0;
}

/*! Read the context in which the channel would go to a digit that it dials (app_dial.c, onedigit_goto); empty: in none. */
static int offload_exit_read(struct ast_channel *chan, const char *cmd, char *digit, char *buf, size_t len)
{
	const char *context, *number;

	if (!chan) {
		ast_log(LOG_WARNING, "%s: no channel that dials\n", cmd);
		return -1;
	}
	ast_channel_lock(chan);
	context = pbx_builtin_getvar_helper(chan, "EXITCONTEXT");
	context = ast_strdupa(context ? context : ast_channel_context(chan));
	number = ast_strdupa(S_COR(ast_channel_caller(chan)->id.number.valid,
		ast_channel_caller(chan)->id.number.str, ""));
	ast_channel_unlock(chan);
	ast_copy_string(buf, ast_exists_extension(chan, context, digit, 1, number) ? context : "", len);
	return 0;
}

/*! Play a tone of indications.conf in place of ringing, or have the channel ring if there is no such tone. */
static int offload_tone_write(struct ast_channel *chan, const char *cmd,
	char *data attribute_unused, const char *value)
{
	struct ast_tone_zone_sound *tone;
	int played;

	if (!chan) {
		ast_log(LOG_WARNING, "%s: no channel to play a tone to\n", cmd);
		return -1;
	}
	tone = ast_get_indication_tone(ast_channel_zone(chan), S_OR(value, ""));
	played = tone && !ast_strlen_zero(tone->data) && !ast_playtones_start(chan, 0, tone->data, 0);
	if (tone) {
		ast_tone_zone_sound_unref(tone);
	}
	if (!played) {
		ast_log(LOG_WARNING, "%s on %s: there is no tone '%s'\n", cmd, ast_channel_name(chan), S_OR(value, ""));
	}
	return ast_indicate(chan, played ? AST_CONTROL_PROGRESS : AST_CONTROL_RINGING);
}

static int offload_reset_cdr_write(struct ast_channel *chan, const char *cmd,
	char *data attribute_unused, const char *value attribute_unused)
{
	if (!chan) {
		ast_log(LOG_WARNING, "%s: no channel to begin a CDR for\n", cmd);
		return -1;
	}
	return ast_cdr_reset(ast_channel_name(chan), 0);
}

/*! Have the bridge that a channel is in choose its technology anew, as when a hook is attached (main/framehook.c). */
static int offload_rebridge_write(struct ast_channel *chan, const char *cmd,
	char *data attribute_unused, const char *value attribute_unused)
{
	if (!chan) {
		ast_log(LOG_WARNING, "%s: no channel\n", cmd);
		return -1;
	}
	ast_channel_set_unbridged(chan, 1);
	return 0;
}

static struct ast_custom_function offload_sub = {
	.name = "OFFLOAD_SUB",
	.write = offload_sub_write,
};

static struct ast_custom_function offload_inherit = {
	.name = "OFFLOAD_INHERIT",
	.write = offload_inherit_write,
};

static struct ast_custom_function offload_run_h = {
	.name = "OFFLOAD_RUN_H",
	.write = offload_run_h_write,
};

static struct ast_custom_function offload_exit = {
	.name = "OFFLOAD_EXIT",
	.read = offload_exit_read,
};

static struct ast_custom_function offload_tone = {
	.name = "OFFLOAD_TONE",
	.write = offload_tone_write,
};

static struct ast_custom_function offload_reset_cdr = {
	.name = "OFFLOAD_RESET_CDR",
	.write = offload_reset_cdr_write,
};

static struct ast_custom_function offload_rebridge = {
	.name = "OFFLOAD_REBRIDGE",
	.write = offload_rebridge_write,
};

static struct ast_custom_function * const functions[] = {
	&offload_sub, &offload_inherit, &offload_run_h, &offload_exit, &offload_tone, &offload_reset_cdr,
	&offload_rebridge,
};

static int unload_module(void)
{
	int res = 0;
	size_t i;

	for (i = 0; i < ARRAY_LEN(functions); i++) {
		res |= ast_custom_function_unregister(functions[i]);
	}
	ast_context_destroy(NULL, rights_context);
	res |= ast_unregister_application(rights_app);
	return res;
}

static int load_module(void)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(functions); i++) {
		if (ast_custom_function_register(functions[i])) {
			unload_module();
			return AST_MODULE_LOAD_DECLINE;
		}
	}
	if (ast_register_application_xml(rights_app, offload_rights_exec)
		|| !ast_context_find_or_create(NULL, NULL, rights_context, rights_context)
		|| ast_add_extension(rights_context, 0, "s", 1, NULL, NULL, rights_app, NULL, NULL, rights_context)
		|| ast_add_extension(rights_context, 0, "s", 2, NULL, NULL, "Return", NULL, NULL, rights_context)) {
		unload_module();
		return AST_MODULE_LOAD_DECLINE;
	}
	return AST_MODULE_LOAD_SUCCESS;
}

AST_MODULE_INFO(ASTERISK_GPL_KEY, AST_MODFLAG_DEFAULT,
	"OFFLOAD_SUB(), OFFLOAD_INHERIT(), OFFLOAD_RUN_H(), OFFLOAD_EXIT(), OFFLOAD_TONE(), OFFLOAD_RESET_CDR(), OFFLOAD_REBRIDGE()",
	.support_level = AST_MODULE_SUPPORT_EXTENDED,
	.load = load_module,
	.unload = unload_module,
	.requires = "app_stack",
);

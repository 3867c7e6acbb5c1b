/*
 * func_offload_features: the DTMF features of Dial() in a bridge of ARI.
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
 * \brief What options h, H, k, K, t, T, x and X of Dial() need and ARI has not.
 *
 * Dial() puts a DTMF hook for each feature on the channel in its bridge (main/bridge_basic.c,
 * setup_bridge_features_builtin). Here the application says when: with such a hook Asterisk does not bridge natively
 * (bridges/bridge_native_rtp.c, native_rtp_bridge_compatible_check), and while the media is in the switch no digit
 * reaches it.
 *
 * Hooks are put, taken and run in the one thread that reads the channel's frames while it is in the bridge. It takes up
 * nothing while digits are being collected (main/bridge_channel.c, bridge_channel_handle_write), so no code is cut in two.
 */

/*** MODULEINFO
	<support_level>extended</support_level>
 ***/

#include "asterisk.h"

#include "asterisk/astobj2.h"
#include "asterisk/bridge.h"
#include "asterisk/bridge_basic.h"
#include "asterisk/bridge_channel.h"
#include "asterisk/bridge_features.h"
#include "asterisk/channel.h"
#include "asterisk/features_config.h"
#include "asterisk/module.h"
#include "asterisk/pbx.h"
#include "asterisk/strings.h"

#include "features_bridge.h"

/*! Set on the channel that has dialled a code: the name of the feature while it runs, empty afterwards. */
static const char state_variable[] = "OFFLOAD_FEATURE_STATE";

/*! Named as in features.conf; `flag` is what Dial() notes on a channel that may ask for it. */
static const struct feature {
	const char *name;
	unsigned int flag;
	enum ast_bridge_builtin_feature builtin;
} features[] = {
	{ "blindxfer", AST_FEATURE_REDIRECT, AST_BRIDGE_BUILTIN_BLINDTRANSFER },
	{ "atxfer", AST_FEATURE_REDIRECT, AST_BRIDGE_BUILTIN_ATTENDEDTRANSFER },
	{ "disconnect", AST_FEATURE_DISCONNECT, AST_BRIDGE_BUILTIN_HANGUP },
	{ "parkcall", AST_FEATURE_PARKCALL, AST_BRIDGE_BUILTIN_PARKCALL },
	{ "automixmon", AST_FEATURE_AUTOMIXMON, AST_BRIDGE_BUILTIN_AUTOMIXMON },
};

/*! What OFFLOAD_FEATURES() asks of the channel's thread. */
struct request {
	int hooked;
	/*! A bit for each of the features, by its index */
	unsigned int wanted;
};

static const struct feature *find_feature(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_LEN(features); i++) {
		if (!strcmp(features[i].name, name)) {
			return &features[i];
		}
	}
	return NULL;
}

/*! Return a bit for each feature that the channel may ask for: Dial() notes it on both, and they keep it in later bridges. */
static unsigned int get_allowed(struct ast_channel *chan)
{
	const struct ast_flags *noted;
	unsigned int allowed = 0;
	size_t i;

	ast_channel_lock(chan);
	noted = ast_bridge_features_ds_get(chan);
	for (i = 0; noted && i < ARRAY_LEN(features); i++) {
		allowed |= ast_test_flag(noted, features[i].flag) ? 1U << i : 0;
	}
	ast_channel_unlock(chan);
	return allowed;
}

/*! Note on the channel what it may ask for, as Dial() does. */
static int allow(struct ast_channel *chan, unsigned int wanted)
{
	struct ast_flags flags = { 0 };
	size_t i;
	int res;

	for (i = 0; i < ARRAY_LEN(features); i++) {
		flags.flags |= wanted & (1U << i) ? features[i].flag : 0;
	}
	ast_channel_lock(chan);
	res = ast_bridge_features_ds_append(chan, &flags);
	ast_channel_unlock(chan);
	return res;
}

/*!
 * Return a bit for each feature named in NAME[&NAME...], or that the channel may ask for if none is named; 0 and a
 * warning if one is unknown.
 */
static unsigned int parse_names(struct ast_channel *chan, const char *cmd, const char *data)
{
	char *rest = ast_strdupa(S_OR(data, ""));
	const char *name;
	unsigned int wanted = 0;

	if (ast_strlen_zero(rest)) {
		return get_allowed(chan);
	}
	while ((name = strsep(&rest, "&"))) {
		const struct feature *feature = find_feature(name);

		if (!feature) {
			ast_log(LOG_WARNING, "%s: there is no feature '%s'\n", cmd, name);
			return 0;
		}
		wanted |= 1U << (feature - features);
	}
	return wanted;
}

/*! Get the code by which this channel has the feature; return 0 if it has one. */
static int get_code(struct ast_channel *chan, const struct feature *feature, char *code, size_t len)
{
	int res;

	ast_channel_lock(chan);
	res = ast_get_builtin_feature(chan, feature->name, code, len);
	ast_channel_unlock(chan);
	return res || ast_strlen_zero(code) ? -1 : 0;
}

/*! Whether the module that carries the feature out is loaded. */
static int is_runnable(const struct feature *feature)
{
	struct ast_bridge_features *probe;
	int res;

	if (feature->builtin == AST_BRIDGE_BUILTIN_HANGUP) {
		return 1;
	}
	if (!(probe = ast_bridge_features_new())) {
		return 0;
	}
	res = ast_bridge_features_enable(probe, feature->builtin, "#", NULL, NULL, 0);
	ast_bridge_features_destroy(probe);
	return !res;
}

/*! Run the feature in the channel's thread, and tell the application before and after. */
static void run_feature(struct ast_bridge_channel *bridge_channel, const struct feature *feature)
{
	struct ast_channel *chan = bridge_channel->chan;

	pbx_builtin_setvar_helper(chan, state_variable, feature->name);
	if (feature->builtin == AST_BRIDGE_BUILTIN_HANGUP) {
		/* The application ends the call: out of the bridge the channel would still be in Stasis(). */
		return;
	}
	/* An attended transfer needs a bridge of Dial() (main/bridge_basic.c, feature_attended_transfer). */
	if ((feature->builtin == AST_BRIDGE_BUILTIN_ATTENDEDTRANSFER && features_hand_over(bridge_channel))
		|| ast_bridge_features_do(feature->builtin, bridge_channel, NULL)) {
		ast_log(LOG_WARNING, "%s: feature %s cannot be had\n", ast_channel_name(chan), feature->name);
	}
	pbx_builtin_setvar_helper(chan, state_variable, "");
}

static int on_code(struct ast_bridge_channel *bridge_channel, void *feature)
{
	run_feature(bridge_channel, feature);
	return 0;
}

static int is_ours(void *hook, void *arg attribute_unused, int flags attribute_unused)
{
	return ((struct ast_bridge_hook *) hook)->callback == on_code ? CMP_MATCH : 0;
}

/*! Put the hooks that are wanted in the place of those that there are; in the channel's thread. */
static void set_hooks(struct ast_bridge_channel *bridge_channel, const void *payload, size_t size attribute_unused)
{
	const struct request *request = payload;
	struct ast_channel *chan = bridge_channel->chan;
	size_t i;

	ao2_callback(bridge_channel->features->dtmf_hooks, OBJ_UNLINK | OBJ_NODATA | OBJ_MULTIPLE, is_ours, NULL);
	for (i = 0; request->hooked && i < ARRAY_LEN(features); i++) {
		char code[AST_FEATURE_MAX_LEN];

		if (request->wanted & (1U << i) && !get_code(chan, &features[i], code, sizeof(code))
			&& is_runnable(&features[i])
			&& ast_bridge_dtmf_hook(bridge_channel->features, code, on_code, (void *) &features[i], NULL,
				AST_BRIDGE_HOOK_REMOVE_ON_PULL)) {
			ast_log(LOG_ERROR, "%s: no hook for feature %s\n", ast_channel_name(chan), features[i].name);
		}
	}
	/*
	 * The bridge chooses its technology anew, as when a hook is attached (main/framehook.c). But whoever joins the simple one
	 * is no longer held (bridges/bridge_simple.c, simple_bridge_join), and during a hold all digits come by Asterisk anyway
	 * (bridges/bridge_native_rtp.c, native_rtp_framehook).
	 */
	if (!features_is_held(bridge_channel)) {
		ast_channel_set_unbridged(chan, 1);
	}
}

static void on_request_to_run(struct ast_bridge_channel *bridge_channel, const void *payload,
	size_t size attribute_unused)
{
	run_feature(bridge_channel, *(const struct feature * const *) payload);
}

/*! Have the channel's thread call back; return -1 and warn if the channel is in no bridge. */
static int queue(struct ast_channel *chan, const char *cmd, enum ast_bridge_channel_custom_callback_option option,
	ast_bridge_custom_callback_fn callback, const void *payload, size_t size)
{
	struct ast_bridge_channel *bridge_channel;
	int res;

	ast_channel_lock(chan);
	bridge_channel = ast_channel_is_bridged(chan) ? ast_channel_get_bridge_channel(chan) : NULL;
	ast_channel_unlock(chan);
	if (!bridge_channel) {
		ast_log(LOG_WARNING, "%s: %s is in no bridge\n", cmd, ast_channel_name(chan));
		return -1;
	}
	res = ast_bridge_channel_queue_callback(bridge_channel, option, callback, payload, size);
	ao2_ref(bridge_channel, -1);
	return res;
}

/*! NAME=CODE&...&timeout=MS of those that have a code and that Asterisk can carry out; MS is the longest pause between the digits of one. */
static int offload_features_read(struct ast_channel *chan, const char *cmd, char *data, char *buf, size_t len)
{
	unsigned int wanted;
	struct ast_features_general_config *general;
	struct ast_str *answer;
	size_t i;

	if (!chan) {
		ast_log(LOG_WARNING, "%s: needs a channel\n", cmd);
		return -1;
	}
	wanted = parse_names(chan, cmd, data);
	ast_channel_lock(chan);
	general = ast_get_chan_features_general_config(chan);
	ast_channel_unlock(chan);
	answer = ast_str_create(64);
	if (!general || !answer) {
		ao2_cleanup(general);
		ast_free(answer);
		return -1;
	}
	for (i = 0; i < ARRAY_LEN(features); i++) {
		char code[AST_FEATURE_MAX_LEN];

		if (wanted & (1U << i) && !get_code(chan, &features[i], code, sizeof(code)) && is_runnable(&features[i])) {
			ast_str_append(&answer, 0, "%s=%s&", features[i].name, code);
		}
	}
	ast_str_append(&answer, 0, "timeout=%u", general->featuredigittimeout);
	ast_copy_string(buf, ast_str_buffer(answer), len);
	ao2_ref(general, -1);
	ast_free(answer);
	return 0;
}

static int offload_features_write(struct ast_channel *chan, const char *cmd, char *data, const char *value)
{
	struct request request = { .hooked = !strcmp(S_OR(value, ""), "asterisk") };

	if (!chan || !(request.wanted = parse_names(chan, cmd, data))) {
		ast_log(LOG_WARNING, "%s: needs a channel, and features that it may ask for\n", cmd);
		return -1;
	}
	if (!strcmp(S_OR(value, ""), "allowed")) {
		return allow(chan, request.wanted);
	}
	if (!request.hooked && strcmp(S_OR(value, ""), "application")) {
		ast_log(LOG_WARNING, "%s: takes allowed, asterisk or application\n", cmd);
		return -1;
	}
	return queue(chan, cmd, 0, set_hooks, &request, sizeof(request));
}

/*! As if the channel had dialled the code. */
static int offload_feature_write(struct ast_channel *chan, const char *cmd,
	char *data attribute_unused, const char *value)
{
	const struct feature *feature = find_feature(S_OR(value, ""));

	if (!chan || !feature || !is_runnable(feature)) {
		ast_log(LOG_WARNING, "%s: needs a channel, and a feature that Asterisk has: '%s'\n", cmd, S_OR(value, ""));
		return -1;
	}
	return queue(chan, cmd, AST_BRIDGE_CHANNEL_CB_OPTION_MEDIA, on_request_to_run, &feature, sizeof(feature));
}

static struct ast_custom_function offload_features = {
	.name = "OFFLOAD_FEATURES",
	.read = offload_features_read,
	.write = offload_features_write,
};

static struct ast_custom_function offload_feature = {
	.name = "OFFLOAD_FEATURE",
	.write = offload_feature_write,
};

static int unload_module(void)
{
	return ast_custom_function_unregister(&offload_features) | ast_custom_function_unregister(&offload_feature);
}

static int load_module(void)
{
	if (ast_custom_function_register(&offload_features) || ast_custom_function_register(&offload_feature)) {
		unload_module();
		return AST_MODULE_LOAD_DECLINE;
	}
	/* A call may have a hook of ours for as long as it lasts. */
	ast_module_shutdown_ref(ast_module_info->self);
	return AST_MODULE_LOAD_SUCCESS;
}

AST_MODULE_INFO(ASTERISK_GPL_KEY, AST_MODFLAG_DEFAULT,
	"OFFLOAD_FEATURES(), OFFLOAD_FEATURE()",
	.support_level = AST_MODULE_SUPPORT_EXTENDED,
	.load = load_module,
	.unload = unload_module,
);

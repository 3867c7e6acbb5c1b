/*
 * func_offload_cause: the hangup cause of a live channel, and a hangup with it, from the dialplan or over ARI.
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
 * \brief Set a cause as Dial() sets it, and nothing else.
 *
 * When a dialled leg fails, Dial() puts its cause on the caller (app_dial.c), where ${HANGUPCAUSE} is read
 * from (pbx_variables.c) and the channel driver takes its response from. ARI can only hang a channel up with
 * a cause; an application that hands the caller back to the dialplan needs this function to do the same.
 *
 * ARI's hangup ends a channel wherever it is: also one that another program is redirecting at this moment.
 * OFFLOAD_HANGUP() leaves such a channel alone. The test and the hangup are one step under the channel lock, as the
 * redirect is (pbx.c, ast_async_goto).
 */

/*** MODULEINFO
	<support_level>extended</support_level>
 ***/

#include "asterisk.h"

#include "asterisk/channel.h"
#include "asterisk/conversions.h"
#include "asterisk/module.h"
#include "asterisk/pbx.h"

/*! \return The cause that a value names; -1 and a warning if it names none, or there is no channel to have it. */
static int parse_cause(const struct ast_channel *chan, const char *cmd, const char *value)
{
	int cause;

	if (!chan) {
		ast_log(LOG_WARNING, "%s: no channel to set a hangup cause on\n", cmd);
		return -1;
	}
	/* 1 to 127 is what Q.850 can code: seven bits. 0 is Asterisk's "none". */
	if (ast_str_to_int(value, &cause) || cause < 0 || cause > 127) {
		ast_log(LOG_WARNING, "%s on %s: '%s' is not a hangup cause, a whole number from 0 to 127\n",
			cmd, ast_channel_name(chan), value);
		return -1;
	}
	return cause;
}

static int offload_hangupcause_write(struct ast_channel *chan, const char *cmd,
	char *data attribute_unused, const char *value)
{
	int cause = parse_cause(chan, cmd, value);

	if (cause < 0) {
		return -1;
	}

	ast_channel_lock(chan);
	ast_channel_hangupcause_set(chan, cause);
	ast_channel_unlock(chan);
	return 0;
}

static struct ast_custom_function offload_hangupcause = {
	.name = "OFFLOAD_HANGUPCAUSE",
	.write = offload_hangupcause_write,
};

static int offload_hangup_write(struct ast_channel *chan, const char *cmd,
	char *data attribute_unused, const char *value)
{
	int cause = parse_cause(chan, cmd, value);

	if (cause < 0) {
		return -1;
	}

	ast_channel_lock(chan);
	/* True of a channel that hangs up and of one that is redirected (AST_SOFTHANGUP_ASYNCGOTO). */
	if (!ast_check_hangup(chan)) {
		ast_channel_hangupcause_set(chan, cause);
		ast_softhangup(chan, AST_SOFTHANGUP_EXPLICIT);
	}
	ast_channel_unlock(chan);
	return 0;
}

static struct ast_custom_function offload_hangup = {
	.name = "OFFLOAD_HANGUP",
	.write = offload_hangup_write,
};

static int unload_module(void)
{
	int in_use = ast_custom_function_unregister(&offload_hangupcause);

	return ast_custom_function_unregister(&offload_hangup) || in_use;
}

static int load_module(void)
{
	if (ast_custom_function_register(&offload_hangupcause)
		|| ast_custom_function_register(&offload_hangup)) {
		unload_module();
		return AST_MODULE_LOAD_DECLINE;
	}
	return AST_MODULE_LOAD_SUCCESS;
}

AST_MODULE_INFO(ASTERISK_GPL_KEY, AST_MODFLAG_DEFAULT, "OFFLOAD_HANGUPCAUSE(), OFFLOAD_HANGUP()",
	.support_level = AST_MODULE_SUPPORT_EXTENDED,
	.load = load_module,
	.unload = unload_module,
);

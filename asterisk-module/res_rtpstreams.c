/*
 * res_rtpstreams: what Asterisk knows about the RTP of every bridged channel.
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
 * \brief Look, never touch: nothing here changes a call, and a bridge, a channel and an RTP instance are
 * never locked together.
 *
 * A bridge is read in three steps, each with one lock and only long enough to copy or to take references:
 * the bridge lock to list its channels, each channel's lock to find its RTP instance, and then, with both
 * released, the RTP instance's own lock inside each getter. A thread that sits on an RTP instance, as ICE
 * can, therefore delays the command and nothing else.
 */

/*** MODULEINFO
	<depend>res_rtp_asterisk</depend>
	<support_level>extended</support_level>
 ***/

#include "asterisk.h"

#include "asterisk/bridge.h"
#include "asterisk/bridge_channel.h"
#include "asterisk/bridge_features.h"
#include "asterisk/bridge_technology.h"
#include "asterisk/cli.h"
#include "asterisk/module.h"
#include "asterisk/vector.h"

#include "rtpstreams_leg.h"
#include "rtpstreams_row.h"

#ifndef RTPSTREAMS_VERSION
#error "RTPSTREAMS_VERSION is not defined: the Makefile reads it from the project's pyproject.toml"
#endif

/*! \brief Append one row per channel of the bridge */
static void describe_bridge(struct ast_str **answer, struct ast_bridge *bridge, rtpstreams_row append_row)
{
	struct bridge_view view = { .id = bridge->uniqueid, };
	AST_VECTOR(, struct leg) legs = { 0, };
	struct ast_bridge_channel *member;
	size_t i;

	ast_bridge_lock(bridge);
	view.channels = bridge->num_channels;
	/* Copied: once the lock is gone the technology, and the module its name lives in, may go too. */
	ast_copy_string(view.technology, bridge->technology->name, sizeof(view.technology));
	AST_LIST_TRAVERSE(&bridge->channels, member, entry) {
		/* The hooks are read here: a channel in the bridge has its features until it has the bridge lock. */
		struct leg leg = {
			.chan = ast_channel_ref(member->chan),
			.dtmf_hooks = ao2_container_count(member->features->dtmf_hooks) > 0,
		};

		if (AST_VECTOR_APPEND(&legs, leg)) {
			ast_channel_unref(leg.chan);
		}
	}
	ast_bridge_unlock(bridge);

	for (i = 0; i < AST_VECTOR_SIZE(&legs); ) {
		struct leg *leg = AST_VECTOR_GET_ADDR(&legs, i);

		if (!rtpstreams_leg_read(leg, bridge)) {
			++i;
			continue;
		}
		rtpstreams_leg_free(leg);
		AST_VECTOR_REMOVE_ORDERED(&legs, i);
	}

	for (i = 0; i < AST_VECTOR_SIZE(&legs); ++i) {
		const struct leg *peer = NULL;

		if (view.channels == 2 && AST_VECTOR_SIZE(&legs) == 2) {
			peer = AST_VECTOR_GET_ADDR(&legs, 1 - i);
		}

		append_row(answer, &view, AST_VECTOR_GET_ADDR(&legs, i), peer);
	}

	for (i = 0; i < AST_VECTOR_SIZE(&legs); ++i) {
		rtpstreams_leg_free(AST_VECTOR_GET_ADDR(&legs, i));
	}
	AST_VECTOR_FREE(&legs);
}

/*! \brief Answer with the rows of one bridge, or of all when \a bridge_id is NULL */
static char *answer_rows(int fd, rtpstreams_row append_row, const char *bridge_id)
{
	RAII_VAR(struct ast_str *, answer, ast_str_create(4096), ast_free);

	if (!answer) {
		return CLI_FAILURE;
	}

	if (bridge_id) {
		struct ast_bridge *bridge = ast_bridge_find_by_id(bridge_id);

		if (bridge) {
			describe_bridge(&answer, bridge, append_row);
			ao2_ref(bridge, -1);
		}
	} else {
		struct ao2_container *bridges = ast_bridges();
		struct ao2_iterator every = ao2_iterator_init(bridges, 0);
		struct ast_bridge *bridge;

		for (; (bridge = ao2_iterator_next(&every)); ao2_ref(bridge, -1)) {
			describe_bridge(&answer, bridge, append_row);
		}
		ao2_iterator_destroy(&every);
		ao2_ref(bridges, -1);
	}

	ast_cli(fd, "%s", ast_str_buffer(answer));
	return CLI_SUCCESS;
}

static void complete_bridge_id(const char *word)
{
	struct ao2_container *bridges = ast_bridges();
	struct ao2_iterator every = ao2_iterator_init(bridges, 0);
	struct ast_bridge *bridge;

	for (; (bridge = ao2_iterator_next(&every)); ao2_ref(bridge, -1)) {
		if (ast_begins_with(bridge->uniqueid, word)) {
			ast_cli_completion_add(ast_strdup(bridge->uniqueid));
		}
	}
	ao2_iterator_destroy(&every);
	ao2_ref(bridges, -1);
}

static char *handle_rtpstreams(struct ast_cli_entry *e, int cmd, struct ast_cli_args *a)
{
	static const char * const words[] = { "json", "version", NULL };

	switch (cmd) {
	case CLI_INIT:
		e->command = "rtpstreams";
		e->usage =
			"Usage: rtpstreams\n"
			"       One line per bridged RTP channel: LOCAL REMOTE PEER_LOCAL PEER_REMOTE\n"
			"       rtpstreams json [BRIDGE-ID]\n"
			"       One JSON object per line and bridged channel, of one bridge or of all.\n"
			"       rtpstreams version\n"
			"       The version of this module.\n";
		/* "core restart gracefully" lasts as long as the last call. A query at its end finds the module in use or gone. */
		ast_cli_allow_at_shutdown(e);
		return NULL;
	case CLI_GENERATE:
		if (a->pos == 1) {
			return ast_cli_complete(a->word, words, a->n);
		}
		if (a->pos == 2 && !strcasecmp(a->argv[1], "json")) {
			complete_bridge_id(a->word);
		}
		return NULL;
	}

	if (a->argc == 1) {
		return answer_rows(a->fd, rtpstreams_row_plain, NULL);
	}
	if (a->argc <= 3 && !strcasecmp(a->argv[1], "json")) {
		return answer_rows(a->fd, rtpstreams_row_json, a->argc == 3 ? a->argv[2] : NULL);
	}
	if (a->argc == 2 && !strcasecmp(a->argv[1], "version")) {
		ast_cli(a->fd, "res_rtpstreams %s\n", RTPSTREAMS_VERSION);
		return CLI_SUCCESS;
	}
	return CLI_SHOWUSAGE;
}

static struct ast_cli_entry cli = AST_CLI_DEFINE(handle_rtpstreams, "RTP streams of the bridged channels");

static int load_module(void)
{
	return ast_cli_register(&cli) ? AST_MODULE_LOAD_DECLINE : AST_MODULE_LOAD_SUCCESS;
}

/*!
 * \brief Refuse while the command is running: "module unload" fails and may be repeated.
 *
 * The loader checks the use count, but a command that a console has found and not yet entered counts only
 * in inuse. ast_cli_unregister() then leaves the entry registered and still reports success, and the next
 * command typed would run into an unmapped module. A command found while it was being removed is the same
 * case, one instruction later.
 */
static int unload_module(void)
{
	ast_cli_unregister(&cli);
	if (ast_atomic_fetchadd_int(&cli.inuse, 0) && !cli.command) {
		ast_cli_register(&cli);
	}
	return cli.command ? -1 : 0;
}

AST_MODULE_INFO(ASTERISK_GPL_KEY, AST_MODFLAG_DEFAULT, "RTP streams of the bridged channels",
	.support_level = AST_MODULE_SUPPORT_EXTENDED,
	.load = load_module,
	.unload = unload_module,
	/* Whoever has no RTP engine is told at load time, not by empty answers. */
	.requires = "res_rtp_asterisk",
);

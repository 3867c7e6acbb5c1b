/*
 * features_bridge: what func_offload_features does with the bridge of a party.
 *
 * Copyright (C) 2026, the stasis-offload authors
 *
 * SPDX-License-Identifier: GPL-2.0-only
 *
 * This program is free software, distributed under the terms of
 * the GNU General Public License Version 2.
 */

#include "asterisk.h"

#include "asterisk/bridge.h"
#include "asterisk/bridge_basic.h"
#include "asterisk/bridge_channel.h"
#include "asterisk/causes.h"
#include "asterisk/channel.h"
#include "asterisk/stasis_channels.h"

#include "features_bridge.h"

/*! Move a channel to another bridge, where it still counts as dialled, for CDRs (bridge_channel_internal_pull clears that). */
static int move(struct ast_bridge *to, struct ast_bridge *from, struct ast_channel *chan)
{
	int dialled, res;

	ast_channel_lock(chan);
	dialled = ast_test_flag(ast_channel_flags(chan), AST_FLAG_OUTGOING);
	ast_channel_unlock(chan);
	res = ast_bridge_move(to, from, chan, NULL, 1);
	if (dialled) {
		ast_channel_lock(chan);
		ast_set_flag(ast_channel_flags(chan), AST_FLAG_OUTGOING);
		ast_channel_publish_snapshot(chan);
		ast_channel_unlock(chan);
	}
	return res;
}

int features_hand_over(struct ast_bridge_channel *bridge_channel)
{
	struct ast_channel *chan = bridge_channel->chan;
	RAII_VAR(struct ast_channel *, peer, ast_channel_bridge_peer(chan), ast_channel_cleanup);
	RAII_VAR(struct ast_bridge *, from, NULL, ao2_cleanup);
	struct ast_bridge *to;

	ast_bridge_channel_lock_bridge(bridge_channel);
	from = ao2_bump(bridge_channel->bridge);
	ast_bridge_unlock(from);
	if (!peer || !(to = ast_bridge_basic_new())) {
		return -1;
	}
	if (move(to, from, chan) || move(to, from, peer)) {
		/* One of them is leaving; the other one does then, too. */
		ast_bridge_destroy(to, AST_CAUSE_NORMAL_CLEARING);
		return -1;
	}
	ao2_ref(to, -1);
	return 0;
}

int features_is_held(struct ast_bridge_channel *bridge_channel)
{
	struct ast_bridge_channel *each;
	int held = 0;

	ast_bridge_channel_lock_bridge(bridge_channel);
	AST_LIST_TRAVERSE(&bridge_channel->bridge->channels, each, entry) {
		ast_channel_lock(each->chan);
		held |= ast_channel_hold_state(each->chan) == AST_CONTROL_HOLD;
		ast_channel_unlock(each->chan);
	}
	ast_bridge_unlock(bridge_channel->bridge);
	return held;
}

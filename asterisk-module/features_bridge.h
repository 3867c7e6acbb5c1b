/*
 * features_bridge.h: what func_offload_features does with the bridge of a party.
 *
 * Copyright (C) 2026, the stasis-offload authors
 *
 * SPDX-License-Identifier: GPL-2.0-only
 *
 * This program is free software, distributed under the terms of
 * the GNU General Public License Version 2.
 */

#ifndef FEATURES_BRIDGE_H
#define FEATURES_BRIDGE_H

struct ast_bridge_channel;

/*!
 * Move the channel, and the one that it talks to, from the bridge of ARI to one as Dial() has; return 0 if both are there.
 *
 * Each is told the application as one that has left (res/stasis/stasis_bridge.c, bridge_stasis_moving), and stays in the
 * thread of Stasis() until it leaves the bridge, or any that it has moved on to (res/stasis/control.c,
 * internal_bridge_after_cb).
 */
int features_hand_over(struct ast_bridge_channel *bridge_channel);

/*! Whether a party in the bridge is held, by the other or by a feature that this runs. */
int features_is_held(struct ast_bridge_channel *bridge_channel);

#endif /* FEATURES_BRIDGE_H */

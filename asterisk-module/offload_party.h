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

#ifndef OFFLOAD_PARTY_H
#define OFFLOAD_PARTY_H

#include "asterisk/pbx.h"

/*! OFFLOAD_PARTY(): gives a channel that is dialled the caller id that it has in Dial(). */
extern struct ast_custom_function offload_party;

/*! OFFLOAD_CONNECTED(): tells a caller who the channel is that answered. */
extern struct ast_custom_function offload_connected;

#endif

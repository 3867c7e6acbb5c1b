/*
 * offload_dial: a caller in OffloadDial(), and the channels that are dialled for it.
 *
 * Copyright (C) 2026, the stasis-offload authors
 *
 * SPDX-License-Identifier: GPL-2.0-only
 *
 * This program is free software, distributed under the terms of
 * the GNU General Public License Version 2.
 */

#ifndef OFFLOAD_DIAL_H
#define OFFLOAD_DIAL_H

#include "asterisk/channel.h"
#include "asterisk/pbx.h"

/*! A caller in OffloadDial(), an ao2 object. */
struct dial;

/*! Make the container of all callers; return -1 if there is no memory. */
int dials_init(void);

void dials_destroy(void);

/*! Enter a caller; its own thread calls this. Return NULL if there is no memory. */
struct dial *dial_begin(struct ast_channel *caller);

/*! The caller leaves: whatever is still dialled for it ends with a status, and nothing is done to the caller any more. */
void dial_leave(struct dial *dial, const char *status);

/*! Name and number of the first channel that answered; NULL if none did. After dial_leave(). */
const char *dial_peer_name(const struct dial *dial);
const char *dial_peer_number(const struct dial *dial);

/*! Return whether a channel is a caller in OffloadDial(). One that took a caller's place by a masquerade is. */
int dials_have(const struct ast_channel *chan);

/*! OFFLOAD_CALLER(): names the caller of a channel that is dialled. */
extern struct ast_custom_function offload_caller;

#endif

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
#include "asterisk/stasis.h"

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

/*! The application has some time to begin with the caller, which it does when it creates a channel for it. */
void dial_wait(struct dial *dial);

/*! Return whether any caller waits for the application to begin with it. */
int dials_wait(void);

/*! That time is over: return whether the caller is to be taken back. From then on nothing is dialled for it any more. */
int dial_give_up(struct dial *dial);

/*! Return whether the caller was to be taken back. */
int dial_is_given_up(struct dial *dial);

/*! The unique id that the caller had when it began. */
const char *dial_caller_id(const struct dial *dial);

/*! Return whether a channel is a caller in OffloadDial(). One that took a caller's place by a masquerade is. */
int dials_have(const struct ast_channel *chan);

/*! A caller by its unique id, an ao2 object, as long as it is in OffloadDial(); NULL if there is none. */
struct dial *dial_find(const char *caller_id);

/*! What is known of the channels that were dialled for a caller and forwarded. */
struct ao2_container *dial_forwards(const struct dial *dial);

/*! The context and the extension that the caller is in. */
const char *dial_context(const struct dial *dial);
const char *dial_exten(const struct dial *dial);

/*! The caller, with a reference; NULL if it has left. */
struct ast_channel *dial_caller(struct dial *dial);

/*! A channel is dialled for the caller. Return -1 if there is no memory, 1 if the caller was to be taken back: it must not be then. */
int dial_add(struct dial *dial, const char *peer_id, const char *number);

/*! It has answered: the first to do so has the call, the others are cancelled, in the order of app_dial.c; peer locked. */
void dial_answered(struct dial *dial, struct ast_channel *peer);

/*! It has ended with a status. */
void dial_ended(struct dial *dial, const char *peer_id, const char *status);

struct ao2_container *forwards_alloc(void);

/*! Note what a dialled channel says of where it forwards, if it does; the channel is locked. */
void forwards_note(struct ao2_container *forwards, struct ast_channel *chan);

/*! Publish the beginning (no status) or the end of dialling, as Dial() does, without a lock of a channel. */
void publish_dial(struct stasis_topic *topic, const char *caller_id, const char *peer_id, const char *dialstring,
	const char *status);

/*! OFFLOAD_CALLER(): names the caller of a channel that is dialled. */
extern struct ast_custom_function offload_caller;

/*! OFFLOAD_FORWARD(): what a dialled channel that forwarded has said of it. */
extern struct ast_custom_function offload_forward;

#endif

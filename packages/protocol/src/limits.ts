import { strict as assert } from 'node:assert';

/** Version of the wire protocol. Another version is refused with both named. */
export const protocolVersion = 1;

/**
 * Every maximum of the wire, in one place. Both ends hold to them: a sender asserts, a receiver
 * refuses.
 */
export const limits = Object.freeze({
  /** Body of one message in bytes, without the 4 bytes of length in front. */
  messageBytesMax: 65_536,
  /** Containers inside containers in one message. */
  nestingMax: 8,
  /** Opus payload of one audio packet in bytes. */
  packetPayloadBytesMax: 4_096,
  /** A method's name and any other short name, in UTF-8 bytes. */
  nameBytesMax: 64,
  /** Characters of a wrong text that an error repeats. */
  shownCharsMax: 64,
  /** From connect to a complete `hello`, and from `hello` to its reply. */
  helloDeadlineMs: 3_000,
  /** A request without an answer fails after this unless the caller says otherwise. */
  requestDeadlineMs: 5_000,
  /** Requests of one connection that wait for an answer. */
  requestsPendingMax: 64,
  /** Control bytes that may wait in one connection before it counts as a slow consumer. */
  controlQueueBytesMax: 262_144,
  /** Audio queued for one client before the oldest whole packet is dropped. */
  sendQueueMs: 200,
  /** Packets in a client's socket that the kernel has not taken whole. */
  packetsInFlightMax: 2,
  /** A client that accepts nothing for so long is disconnected with SLOW_CONSUMER. */
  slowConsumerMs: 5_000,
  /** Connections on one data socket. */
  clientsMax: 64,
  /** Bytes of a Unix socket's path: sun_path holds 108 with its closing zero (man 7 unix). */
  socketPathBytesMax: 107,
});

/** Length field in front of each message, in bytes. */
export const lengthFieldBytes = 4;

/** Shortest Opus frame in milliseconds; queues that are bounded in time are sized by it. */
const frameMsMin = 2.5;

/** Packets that a send queue can hold at the shortest frame length. */
export const sendQueuePacketsMax = limits.sendQueueMs / frameMsMin;

assert(limits.packetPayloadBytesMax + 64 < limits.messageBytesMax, 'a packet fits in a message');
assert(limits.messageBytesMax <= limits.controlQueueBytesMax, 'one message fits in the queue');
assert(Number.isInteger(sendQueuePacketsMax), 'the queue is a whole number of shortest frames');

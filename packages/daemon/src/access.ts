import type { Peer } from '@kvm-audio/native-alsa/sys';
import { ProtocolError } from '@kvm-audio/protocol';
import type { Config } from './config/schema.js';

/** Root, the user that the daemon runs as, and those that the configuration names. */
export function isTrusted(peer: Peer, uids: readonly number[]): boolean {
  return peer.uid === 0 || peer.uid === process.getuid?.() || uids.includes(peer.uid);
}

/** The daemon's own group is one of the peer's. */
export function isInOurGroup(peer: Peer): boolean {
  const gid = process.getgid?.();
  return gid !== undefined && (peer.gid === gid || peer.groups.includes(gid));
}

/** @param key the configuration's list of those who may besides. */
export function forbidden(peer: Peer, what: string, key: string): ProtocolError {
  const text = `user ${peer.uid} may not ${what}; ${key} in the configuration names who may`;
  return new ProtocolError('FORBIDDEN', text, { uid: peer.uid });
}

/** Who may use the data sockets: the trusted, and the daemon's group. */
export function refuseClient(peer: Peer, { clients }: Config): ProtocolError | undefined {
  if (isTrusted(peer, clients.uids) || isInOurGroup(peer)) return undefined;
  return forbidden(peer, 'be a client', 'clients.uids');
}

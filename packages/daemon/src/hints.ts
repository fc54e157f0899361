/** What can be done about what the system refuses: the ends of lines of the log and of the status. */

const notOurs = "the daemon's user must be in the group of /dev/snd, `audio` on most systems";

/** Of a sound card that cannot be opened, by the errno's name. */
const deviceHints: Readonly<Record<string, string>> = {
  EACCES: notOurs,
  EBUSY: 'another program has it open; of a real card `fuser /dev/snd/*` names it',
  EPERM: notOurs,
};

/** @returns the message, with what can be done about it where that is known. */
export function withDeviceHint(message: string, errnoName: string): string {
  const hint = deviceHints[errnoName];
  return hint === undefined ? message : `${message}; ${hint}`;
}

export const priorityHint =
  'CAP_SYS_NICE or RLIMIT_RTPRIO (in a systemd unit LimitRTPRIO) allows it; ' +
  'realtime.fifoPriority = 0 asks for none';

export const nicenessHint =
  'CAP_SYS_NICE or RLIMIT_NICE (in a systemd unit LimitNICE) allows it; ' +
  'realtime.niceness = 0 asks for none';

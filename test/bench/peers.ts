import { spawnSync } from 'node:child_process';
import { createSocket } from 'node:dgram';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { encoderSettings } from '@kvm-audio/audio';
import { TestProcess } from '../helpers/TestProcess.js';
import { waitFor } from '../helpers/waitFor.js';
import { type Cards, makeCards } from './makeCards.js';
import type { Subject } from './Subject.js';
import { formatOf, type Setting } from './settings.js';

// What others would use for the same work, on the same cards: each with its own tools for low
// latency, and no more buffer than it needs to play here without a break, where it lets one say so.

export const peerNames = ['gstreamer', 'ffmpeg', 'alsaloop'] as const;
export type PeerName = (typeof peerNames)[number];

/** One process of a peer. */
type Command = { name: string; command: string; args: readonly string[] };
type Way = { cards: Cards; setting: Setting; port: number };

/** One of them must be there and end well. */
const probes: Record<PeerName, readonly string[]> = {
  gstreamer: ['gst-inspect-1.0', '--exists', 'rtpopuspay'],
  ffmpeg: ['ffmpeg', '-hide_banner', '-h', 'encoder=libopus'],
  alsaloop: ['alsaloop', '--help'],
};

const warmUpSeconds = 8;

const commands: Record<PeerName, (way: Way) => Command[]> = {
  gstreamer: ({ cards, setting, port }) => {
    const { frameMs } = formatOf(setting);
    const { bitrate, complexity } = encoderSettings(formatOf(setting));
    const caps = 'application/x-rtp,media=audio,encoding-name=OPUS,clock-rate=48000,payload=96';
    return [
      gstLaunch('playback', [
        `udpsrc address=127.0.0.1 port=${port} caps=${caps}`,
        `rtpjitterbuffer latency=${frameMs}`,
        'rtpopusdepay',
        'opusdec',
        // With sync=true it is 40 ms later; a smaller buffer or less for jitter, and it has gaps.
        `alsasink device=${cards.outputCard.pcm} buffer-time=40000 latency-time=5000 sync=false`,
      ]),
      gstLaunch('capture', [
        `alsasrc device=${cards.inputCard.pcm} buffer-time=100000 latency-time=5000`,
        'audio/x-raw,format=S16LE,rate=48000,channels=2',
        `opusenc bitrate=${bitrate} frame-size=${frameMs} complexity=${complexity}`,
        'rtpopuspay',
        `udpsink host=127.0.0.1 port=${port}`,
      ]),
    ];
  },
  ffmpeg: ({ cards, setting, port }) => {
    const { frameMs } = formatOf(setting);
    const { bitrate, complexity } = encoderSettings(formatOf(setting));
    const sdp = join(cards.folder, 'stream.sdp');
    writeFileSync(sdp, sessionOf(port));
    const common = ['-hide_banner', '-nostdin', '-loglevel', 'error', '-fflags', 'nobuffer'];
    const from = ['-f', 'alsa', '-channels', '2', '-sample_rate', '48000', '-i'];
    const coder = ['-c:a', 'libopus', '-b:a', String(bitrate), '-frame_duration', String(frameMs)];
    const rtp = ['-protocol_whitelist', 'file,udp,rtp', '-reorder_queue_size', '0'];
    const atOnce = ['-flags', 'low_delay', '-probesize', '32', '-analyzeduration', '0'];
    return [
      {
        name: 'playback',
        command: 'ffmpeg',
        args: [...common, ...atOnce, ...rtp, '-i', sdp, '-f', 'alsa', cards.outputCard.pcm],
      },
      {
        name: 'capture',
        command: 'ffmpeg',
        args: [
          ...[...common, ...from, cards.inputCard.pcm, ...coder],
          ...['-vbr', 'constrained', '-compression_level', String(complexity)],
          ...['-f', 'rtp', `rtp://127.0.0.1:${port}`],
        ],
      },
    ];
  },
  // It has no codec, and nothing between the cards but its buffer: as much as a frame.
  alsaloop: ({ cards, setting }) => [
    {
      name: 'loop',
      command: 'alsaloop',
      args: [
        ...['-C', cards.inputCard.pcm, '-P', cards.outputCard.pcm],
        ...['-t', String(formatOf(setting).frameMs * 1000), '-S', '0'],
        ...['-f', 'S16_LE', '-c', '2', '-r', '48000'],
      ],
    },
  ],
};

function gstLaunch(name: string, elements: readonly string[]): Command {
  const args = ['-q', ...elements.join(' ! ').split(' ')];
  return { name, command: 'gst-launch-1.0', args };
}

/** RFC 8866 and RFC 7587. */
function sessionOf(port: number): string {
  return [
    'v=0',
    'o=- 0 0 IN IP4 127.0.0.1',
    's=-',
    'c=IN IP4 127.0.0.1',
    't=0 0',
    `m=audio ${port} RTP/AVP 97`,
    'a=rtpmap:97 opus/48000/2',
    '',
  ].join('\n');
}

/** @returns whether it is installed, with what it needs. */
export function isInstalled(name: PeerName): boolean {
  const [command = '', ...args] = probes[name];
  return spawnSync(command, args, { stdio: 'ignore' }).status === 0;
}

async function freeUdpPort(): Promise<number> {
  const socket = createSocket('udp4').bind(0, '127.0.0.1');
  await once(socket, 'listening');
  const { port } = socket.address();
  socket.close();
  return port;
}

/** @throws with what it said, where it does not carry sound between virtual cards. */
export async function startPeer(name: PeerName, setting: Setting): Promise<Subject> {
  const cards = makeCards();
  // The recorder and the player need cards that are there already.
  for (const card of [cards.inputCard, cards.outputCard]) await card.control('create');
  const processes: [string, TestProcess][] = [];
  const stop = async (): Promise<undefined> => {
    for (const [, process] of processes.reverse()) {
      if (process.running) await process.stop('SIGINT', 3_000).catch(() => undefined);
    }
    cards.remove();
    return undefined;
  };
  try {
    const port = await freeUdpPort();
    for (const { name: part, command, args } of commands[name]({ cards, setting, port })) {
      const process = new TestProcess(`${name} ${part}`, command, args, cards.inputCard.env);
      processes.push([part, process]);
    }
    await waitFor(`${name} that plays`, async () => {
      for (const [, process] of processes) process.assertRunning();
      return (await cards.outputCard.status()).playback.state === 'RUNNING';
    });
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    ...cards,
    settleSeconds: 3,
    warmUpSeconds,
    pids: Object.fromEntries(processes.map(([part, { pid }]) => [part, pid])),
    counters: async () => undefined,
    dryUs: () => [],
    latency: async () => undefined,
    driftPpm: async () => null,
    stop,
  };
}

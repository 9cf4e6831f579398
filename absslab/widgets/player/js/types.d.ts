// Types that the modules of the player share.

/** From and to, in seconds. */
export type TimeRange = [number, number];

/** First frame, and the frame after the last one. */
export type Loop = [number, number];

/** Number of a track, number of a chunk of it. */
export type ChunkKey = [number, number];

export interface Track {
  name: string;
  kind: string;
  version: number; // of its sound: sound of another version is out of date
  has_mask?: boolean;
}

/**
 * What the kernel says of the tracks: rate in Hz, lengths in frames; `kept` is how many chunks of
 * each track a page keeps at once.
 */
export interface Meta {
  version: number; // of the tracks together
  rate: number;
  length: number;
  chunk_length: number;
  kept: number;
  tracks: Track[];
}

/** Choices of the listener: gains in dB; matchedGains are the gains by level, once they are known. */
export interface Mix {
  solo: Set<number>;
  mute: Set<number>;
  gains: number[];
  level: string;
  matchedGains: Record<string, number[]> | null;
}

export interface Preset {
  label: string;
  group: string;
  solo: number[];
}

/** n frames of the sound from `frame` on, which begin at frame `begin` of the clock. */
export interface Stretch {
  begin: number;
  frame: number;
  n: number;
  fadesIn?: boolean;
  fadesOut?: boolean;
}

/** A stretch that is scheduled, with the voices that play it. */
export interface ScheduledStretch extends Stretch {
  voices: Map<number | "brush", Voice>;
}

/** A buffer that holds the sound from frame `offset` on. */
export interface VoiceSource {
  buffer: AudioBuffer;
  version?: number;
  offset: number;
  output: AudioNode;
}

export interface Voice {
  version?: number;
  source: AudioBufferSourceNode;
  envelope: GainNode;
  begin: number;
  end: number;
  fadesIn: boolean;
}

/** A region of time in seconds and frequency in Hz. */
export interface Region {
  start: number;
  end: number;
  low: number;
  high: number;
}

/** The sound of a brushed region: n frames from frame `start` on. */
export interface Brush {
  start: number;
  n: number;
  buffer: AudioBuffer;
}

export interface Box {
  x: number;
  y: number;
  width: number;
  height: number;
}

/** An image of a stretch of a track, from `start` to `end` in seconds; row 0 is the lowest. */
export interface Tile {
  track: number;
  what: string;
  size: string;
  axis: string;
  start: number;
  end: number;
  version: number;
  rows: number;
  columns: number;
  pixels: Uint8Array;
}

/** A tile that was asked for, and the one to show until it comes. */
export interface TileRequest {
  version: number;
  start: number;
  end: number;
  shown?: Tile;
}

/** A painted tile. */
export interface Bitmap {
  tiles: (Tile | undefined)[];
  start: number;
  end: number;
  canvas: HTMLCanvasElement;
}

/** A track and what to see of it: sound or mask. */
export type TilePart = [number, string];

/** A point of a spectrogram: s and Hz. */
export interface Point {
  time: number;
  hertz: number;
}

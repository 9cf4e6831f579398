// @ts-check
// The audio nodes between the voices and the loudspeaker:
//
//   voices of a track → track gain → track analyser ┐
//   …                                               ├→ all tracks ┐
//                                       brush voices → brush      ┴→ output analyser → destination

/** The audio nodes of an engine. */
export class AudioGraph {
  /**
   * @param {BaseAudioContext} context
   * @param {number} nTracks
   */
  constructor(context, nTracks) {
    this.context = context;
    this.output = context.createAnalyser();
    this.output.connect(context.destination);
    this.allTracks = context.createGain();
    this.allTracks.connect(this.output);
    this.brush = context.createGain();
    this.brush.connect(this.output);
    this.tracks = Array.from({ length: nTracks }, () => {
      const gain = context.createGain();
      const analyser = context.createAnalyser();
      gain.connect(analyser).connect(this.allTracks);
      return { gain, analyser };
    });
  }

  /**
   * Return a buffer with samples of each channel.
   *
   * @param {Float32Array<ArrayBuffer>[]} channels
   * @param {number} rate Hz
   */
  makeBuffer(channels, rate) {
    const buffer = this.context.createBuffer(channels.length, channels[0].length, rate);
    channels.forEach((samples, channel) => buffer.copyToChannel(samples, channel));
    return buffer;
  }

  disconnect() {
    const ofTracks = this.tracks.flatMap(({ gain, analyser }) => [gain, analyser]);
    for (const node of [this.output, this.allTracks, this.brush, ...ofTracks]) node.disconnect();
  }
}

/**
 * Measure what passes an analyser now.
 *
 * @param {AnalyserNode} analyser
 */
export function measure(analyser) {
  const samples = new Float32Array(analyser.fftSize);
  analyser.getFloatTimeDomainData(samples);
  let power = 0;
  let peak = 0;
  for (const sample of samples) {
    power += sample * sample;
    peak = Math.max(peak, Math.abs(sample));
  }
  return { rms: Math.sqrt(power / samples.length), peak };
}

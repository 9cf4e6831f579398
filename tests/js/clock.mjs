// A WebAudio that one can wind: what was started on it is rendered to samples, envelopes and gains included.

class Parameter {
  constructor(value) {
    this.value = value;
    this.events = [];
  }
  setValueAtTime(value, time) {
    this.events.push({ kind: "set", value, time });
    this.value = value;
    return this;
  }
  linearRampToValueAtTime(value, time) {
    this.events.push({ kind: "ramp", value, time });
    this.value = value;
    return this;
  }
  cancelScheduledValues(time) {
    this.events = this.events.filter((event) => event.time < time);
    return this;
  }
  at(time) {
    let [value, since] = [this.events.length ? 1 : this.value, 0];
    for (const event of this.events) {
      if (event.time <= time) [value, since] = [event.value, event.time];
      else if (event.kind === "ramp") return value + ((event.value - value) * (time - since)) / (event.time - since);
      else break;
    }
    return value;
  }
}

class Node {
  constructor(context) {
    this.context = context;
    this.targets = [];
  }
  connect(target) {
    this.targets.push(target);
    return target;
  }
  disconnect() {}
}

export class Clock {
  constructor(rate) {
    this.sampleRate = rate;
    this.currentTime = 0;
    this.state = "running";
    this.sources = [];
    this.destination = new Node(this);
  }
  resume() {}
  createGain() {
    return Object.assign(new Node(this), { gain: new Parameter(1) });
  }
  createAnalyser() {
    return Object.assign(new Node(this), { fftSize: 2048, getFloatTimeDomainData() {} });
  }
  createBuffer(numberOfChannels, length, sampleRate) {
    const channels = Array.from({ length: numberOfChannels }, () => new Float32Array(length));
    return { numberOfChannels, length, sampleRate, getChannelData: (c) => channels[c], copyToChannel: (samples, c) => channels[c].set(samples) };
  }
  createBufferSource() {
    const source = new Node(this);
    source.start = (when, offset, duration) => {
      Object.assign(source, { when, offset, until: when + duration });
      this.sources.push(source);
    };
    source.stop = (when = this.currentTime) => (source.until = Math.min(source.until, when));
    return source;
  }

  /** What was heard from one frame of the clock to another, of mono sounds. */
  heard(from, to) {
    const out = new Float64Array(to - from);
    for (const source of this.sources) {
      const samples = source.buffer.getChannelData(0);
      const begin = Math.max(from, Math.round(source.when * this.sampleRate));
      const end = Math.min(to, Math.round(source.until * this.sampleRate));
      for (let frame = begin; frame < end; frame++) {
        const time = frame / this.sampleRate;
        let [node, gain] = [source.targets[0], 1];
        for (; node !== this.destination; node = node.targets[0]) gain *= node.gain ? node.gain.at(time) : 1;
        out[frame - from] += gain * samples[frame - Math.round(source.when * this.sampleRate) + Math.round(source.offset * this.sampleRate)];
      }
    }
    return out;
  }
}

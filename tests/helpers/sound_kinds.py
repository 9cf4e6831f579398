"""Write sounds in all formats that people have, as recorders, phones and browsers write them."""

import io
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
import soundfile

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}


@dataclass(frozen=True)
class Kind:
    """A format and a coding.

    Args:
        name: for the name of a test.
        suffix: of its files.
        container: as libsndfile calls it; empty if PyAV writes it.
        coding: as libsndfile or libav calls it.
        tolerance: largest error of a sample; None for codings that only sound alike.
        slack: number of samples by which a coding may change the length.
        has_video: whether there is a picture too.
        rate: Hz, if the coding knows only one.
    """

    name: str
    suffix: str
    container: str
    coding: str
    tolerance: float | None = None
    slack: int = 0
    has_video: bool = False
    rate: int = 16000

    def write(
        self, path: Path, samples: np.ndarray, sampling_rate: int, n_channels: int = 1
    ) -> Path:
        """Write samples (N,) as a file of this kind, with the same sound in each channel."""
        channels = np.tile(samples.astype(np.float32), (n_channels, 1))  # (C, N)
        if self.container:
            soundfile.write(
                path, channels.T, sampling_rate, format=self.container, subtype=self.coding
            )
        else:
            write_with_av(path, channels, sampling_rate, self.coding, has_video=self.has_video)
        return path


KINDS = [
    Kind("wav 8 bit", ".wav", "WAV", "PCM_U8", 1 / 100),
    Kind("wav 16 bit", ".wav", "WAV", "PCM_16", 1 / 30000),
    Kind("wav 24 bit", ".wav", "WAV", "PCM_24", 1e-6),
    Kind("wav float", ".wav", "WAV", "FLOAT", 1e-7),
    Kind("wav double", ".wav", "WAV", "DOUBLE", 1e-7),
    Kind("wav mu-law", ".wav", "WAV", "ULAW", 0.03),
    Kind("wav gsm", ".wav", "WAV", "GSM610", None, 320),
    Kind("wav ima adpcm", ".wav", "WAV", "IMA_ADPCM", None, 1100),
    Kind("wav ms adpcm", ".wav", "WAV", "MS_ADPCM", None, 1100),
    Kind("wav g721", ".wav", "WAV", "G721_32", None, 120),
    Kind("wavex", ".wav", "WAVEX", "PCM_16", 1 / 30000),
    Kind("rf64", ".rf64", "RF64", "PCM_16", 1 / 30000),
    Kind("w64", ".w64", "W64", "PCM_24", 1e-6),
    Kind("flac", ".flac", "FLAC", "PCM_16", 1 / 30000),
    Kind("vorbis", ".ogg", "OGG", "VORBIS"),
    Kind("opus", ".opus", "OGG", "OPUS"),
    Kind("mp3", ".mp3", "MP3", "MPEG_LAYER_III"),
    Kind("aiff", ".aiff", "AIFF", "PCM_16", 1 / 30000),
    Kind("aiff gsm", ".aifc", "AIFF", "GSM610", None, 320),
    Kind("caf", ".caf", "CAF", "PCM_16", 1 / 30000),
    Kind("caf alac", ".caf", "CAF", "ALAC_16", 1 / 30000),
    Kind("au", ".au", "AU", "PCM_16", 1 / 30000),
    Kind("au g723", ".au", "AU", "G723_24", None, 120),
    Kind("xi", ".xi", "XI", "DPCM_16", 1 / 300, rate=44100),
    Kind("m4a aac", ".m4a", "", "aac", None, 64),
    Kind("m4a alac", ".m4a", "", "alac", 1 / 30000),
    Kind("aac adts", ".aac", "", "aac", None, 4096),
    Kind("webm opus", ".webm", "", "libopus", None, 960, rate=48000),
    Kind("matroska", ".mka", "", "pcm_s24le", 1e-6),
    Kind("mp4 video", ".mp4", "", "aac", None, 64, has_video=True),
    Kind("quicktime", ".mov", "", "pcm_s16le", 1 / 30000, has_video=True),
    Kind("3gp", ".3gp", "", "aac", None, 64),
    Kind("avi", ".avi", "", "pcm_s16le", 1 / 30000, has_video=True),
    Kind("amr", ".amr", "", "libopencore_amrnb", None, 400, rate=8000),
]


def write_with_av(
    path: Path,
    channels: np.ndarray,
    sampling_rate: int,
    coding: str,
    *,
    has_video: bool = False,
    container: str | None = None,
) -> None:
    """Write samples (C, N) with PyAV, with a black picture if there is a video."""
    layout = LAYOUTS[len(channels)]
    with av.open(str(path), "w", format=container) as output:
        video = _add_video(output) if has_video else None
        try:
            stream = output.add_stream(coding, rate=sampling_rate)
        except av.codec.codec.UnknownCodecError:
            pytest.skip(f"this version of PyAV can't write {coding}")
        stream.layout = layout
        if video is not None:
            _write_pictures(output, video)
        frame = av.AudioFrame.from_ndarray(
            np.ascontiguousarray(channels, np.float32), format="fltp", layout=layout
        )
        frame.sample_rate = sampling_rate
        frame.pts = 0
        converter = av.AudioResampler(format=stream.format.name, layout=layout, rate=sampling_rate)
        for converted in converter.resample(frame):
            output.mux(stream.encode(converted))
        output.mux(stream.encode())


def write_silent_film(path: Path) -> None:
    """Write a video without sound."""
    with av.open(str(path), "w") as output:
        video = _add_video(output)
        _write_pictures(output, video)


def _write_pictures(output, video) -> None:
    """Write a few black pictures."""
    black = np.zeros((48, 64, 3), np.uint8)
    for index in range(5):
        picture = av.VideoFrame.from_ndarray(black, format="rgb24")
        picture.pts = index
        output.mux(video.encode(picture))
    output.mux(video.encode())


def _add_video(output):
    video = output.add_stream("mpeg4", rate=25)
    video.width = 64
    video.height = 48
    video.pix_fmt = "yuv420p"
    return video


def encode(samples: np.ndarray, sampling_rate: int, container: str, coding: str) -> bytes:
    """Return the bytes of a file that libsndfile writes, of samples (N,) or (N, C)."""
    buffer = io.BytesIO()
    soundfile.write(buffer, samples, sampling_rate, format=container, subtype=coding)
    return buffer.getvalue()


def tone(seconds: float = 1.0, sampling_rate: int = 16000, frequency: float = 440.0) -> np.ndarray:
    """Return a tone with a little noise (N,): no coding takes it for silence."""
    n_samples = round(seconds * sampling_rate)
    noise = 0.01 * np.random.default_rng(0).standard_normal(n_samples)
    return 0.4 * np.sin(2 * np.pi * frequency * np.arange(n_samples) / sampling_rate) + noise


def frequency_of(samples: np.ndarray, sampling_rate: int) -> float:
    """Measure the strongest partial of samples (N,), in Hz."""
    window = np.hanning(len(samples))
    spectrum = np.abs(np.fft.rfft(samples * window))
    return float(spectrum.argmax() * sampling_rate / len(samples))

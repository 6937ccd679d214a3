"""Clips: the procedural ones, reading files, the layouts on disk, scores."""

from __future__ import annotations

import csv
import shutil
from pathlib import Path

import av
import numpy as np
import pytest
from scipy.stats import rankdata

from crosswire.media.clips.endings import CLIP_ENDINGS
from crosswire.training.__main__ import main
from crosswire.training.config import ConfigError
from crosswire.training.datasets.clips.base import Labelled
from crosswire.training.datasets.clips.clip_files import clips_in
from crosswire.training.datasets.clips.events_clips import EventClips
from crosswire.training.datasets.clips.layouts import CLIP_LAYOUTS, SPLITS
from crosswire.training.datasets.clips.read import Clip, read_clip
from crosswire.training.datasets.clips.write import FEWEST, WRITERS, write_clip
from crosswire.training.datasets.events import CLASSES, render
from crosswire.training.datasets.events.classes import EVENTS
from crosswire.training.datasets.files.problems import DataError
from crosswire.training.overrides import override
from crosswire.training.tasks.audio_video.config import AudioVideoConfig, ClipShape
from crosswire.training.tasks.audio_video.data import ClipDataset, clips
from crosswire.training.tasks.audio_video.metrics import area_under_roc, mean_average_precision, score_clips
from tests.support.written_clips import tone, written

SHAPE = ClipShape(frames=4, height=32, width=48, fps=4.0, samples=8000, sample_rate=8000)


# Procedural clips ---------------------------------------------------------------------------------------------------


def test_a_procedural_clip_is_a_function_of_its_seed_and_index() -> None:
    one, same, other = render(1, 2), render(1, 2), render(2, 2)
    np.testing.assert_array_equal(one.frames, same.frames)
    np.testing.assert_array_equal(one.waveform, same.waveform)
    assert (one.frames != other.frames).any() and one.label == other.label


def test_four_classes_need_both_modalities_and_two_each_need_one() -> None:
    motions, sounds = [m for m, _ in EVENTS.values()], [s for _, s in EVENTS.values()]
    both = [name for name, (motion, sound) in EVENTS.items() if motion and sound]
    for name in both:  # another class has the same motion, and another one the same sound
        motion, sound = EVENTS[name]
        assert motions.count(motion) == 2 and sounds.count(sound) == 2
    assert len(both) == 4
    assert sum(motion is None for motion in motions) == sum(sound is None for sound in sounds) == 2


def test_what_chance_decides_is_dark_or_silent_now_and_then() -> None:
    events = [render(0, index) for index in range(160)]
    dark = [e for e in events if e.motion == "none"]
    silent = [e for e in events if e.sound == "none"]
    assert {CLASSES[e.label] for e in dark} == {"siren", "bell"}
    assert {CLASSES[e.label] for e in silent} == {"flash", "spin"}
    assert all(not e.frames.any() for e in dark) and all(not e.waveform.any() for e in silent)
    assert all(e.frames.any() or e.waveform.any() for e in events)


def test_procedural_clips_come_in_any_size() -> None:
    event = render(0, 3, count=5, size=(20, 30), fps=2.0, samples=1234, rate=4000)
    assert event.frames.shape == (5, 20, 30, 3) and event.frames.dtype == np.uint8
    assert event.waveform.shape == (1234,) and event.waveform.dtype == np.int16


# Reading files ------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def long_clip() -> Clip:
    """Return 3 seconds at 10 frames a second whose frame i has the brightness 8 * i, and a rising tone."""
    frames = np.stack([np.full((32, 48, 3), 8 * i, np.uint8) for i in range(30)])
    time = np.arange(3 * 8000) / 8000
    return Clip(frames, (0.5 * np.sin(2 * np.pi * (200 + 100 * time) * time)).astype(np.float32))


def copy_sound_first(path: Path, to: Path) -> None:
    """Copy a clip whose pictures come first so that its sound does."""
    with av.open(str(path)) as read, av.open(str(to), "w") as written:
        sound, pictures = (
            written.add_stream_from_template(stream) for stream in (read.streams.audio[0], read.streams.video[0])
        )
        for packet in read.demux():
            if packet.dts is not None:
                packet.stream = pictures if packet.stream.type == "video" else sound
                written.mux(packet)


@pytest.mark.parametrize("sound_first", [False, True])
def test_frames_are_the_latest_at_their_moments_and_sound_begins_with_them(
    long_clip: Clip, sound_first: bool, tmp_path: Path
) -> None:
    written = ClipShape(30, 32, 48, 10.0, 24000, 8000)
    path = tmp_path / "clip.mp4"
    write_clip(long_clip, path, written)
    if sound_first:
        copy_sound_first(path, path := tmp_path / "sound_first.mp4")
    with av.open(str(path)) as container:
        assert (container.streams[0].type == "audio") == sound_first
    read = read_clip(path, SHAPE)
    assert read.frames is not None and read.waveform is not None and long_clip.waveform is not None
    # Moments 0, 0.25, 0.5, 0.75 s: the frames 0, 2, 5, 7.
    np.testing.assert_allclose(read.frames.mean((1, 2, 3)), [0, 16, 40, 56], atol=3)
    assert read.frames.shape == (4, 32, 48, 3)
    assert np.corrcoef(read.waveform[2000:], long_clip.waveform[2000:8000])[0, 1] > 0.95
    every = read_clip(path.read_bytes(), ClipShape(6, 32, 48, 0.0, 24000, 8000))
    assert every.frames is not None
    np.testing.assert_allclose(every.frames.mean((1, 2, 3)), [0, 8, 16, 24, 32, 40], atol=3)


def test_what_is_too_short_ends_in_its_last_frame_and_in_silence(long_clip: Clip, tmp_path: Path) -> None:
    assert long_clip.frames is not None and long_clip.waveform is not None
    short = Clip(long_clip.frames[:10], long_clip.waveform[:4096])
    write_clip(short, tmp_path / "clip.mp4", ClipShape(10, 32, 48, 10.0, 4096, 8000))
    read = read_clip(tmp_path / "clip.mp4", ClipShape(8, 32, 48, 4.0, 32000, 8000))
    assert read.frames is not None and read.waveform is not None
    np.testing.assert_allclose(read.frames.mean((1, 2, 3))[4:], 72, atol=3)
    assert read.waveform[:4000].any() and not read.waveform[10000:].any()


@pytest.mark.parametrize("part", ["frames", "waveform"])
def test_a_clip_without_a_modality_says_so(part: str, long_clip: Clip, tmp_path: Path) -> None:
    write_clip(long_clip._replace(**{part: None}), tmp_path / "clip.mp4", ClipShape(30, 32, 48, 10.0, 24000, 8000))
    read = read_clip(tmp_path / "clip.mp4", SHAPE)
    assert getattr(read, part) is None
    other = "frames" if part == "waveform" else "waveform"
    assert getattr(read, other) is not None


@pytest.mark.parametrize("content", [b"", b"hello, I am no clip\n" * 40, b"#EXTM3U\nother.mp4\n"])
def test_a_file_that_is_no_clip_is_refused_by_name(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "clip.mp4").write_bytes(content)
    with pytest.raises(DataError, match=r"clip.mp4: cannot be read as a clip"):
        read_clip(tmp_path / "clip.mp4", SHAPE)


def test_pictures_in_a_code_that_nothing_decodes_are_refused_by_name(long_clip: Clip, tmp_path: Path) -> None:
    write_clip(long_clip, tmp_path / "clip.mp4", ClipShape(30, 32, 48, 10.0, 24000, 8000))
    content = (tmp_path / "clip.mp4").read_bytes()
    assert content.count(b"avc1") > 1  # in the list of brands, and as the code of the stream
    (tmp_path / "clip.mp4").write_bytes(content.replace(b"avc1", b"zzzz"))
    with pytest.raises(DataError, match=r"clip.mp4: cannot be read as a clip .*[Dd]ecoder"):
        read_clip(tmp_path / "clip.mp4", SHAPE)


@pytest.mark.parametrize(
    "error", [av.error.UnknownError, av.error.PatchWelcomeError, av.error.ExternalError, av.error.EOFError]
)
def test_whatever_pyav_stumbles_over_is_refused_by_name(
    error: type[av.error.FFmpegError], monkeypatch: pytest.MonkeyPatch
) -> None:
    def stumble(*_: object) -> None:
        raise error(1, "it stumbled")

    monkeypatch.setattr(av, "open", stumble)
    with pytest.raises(DataError, match=r"clip.mp4: cannot be read as a clip .*it stumbled"):
        read_clip(Path("clip.mp4"), SHAPE)


# Layouts ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def layouts(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Write 24 procedural clips, three of each class, in every layout."""
    folders = {}
    for name, write in WRITERS.items():
        folders[name] = tmp_path_factory.mktemp(name)
        write(EventClips(4, 24, SHAPE), folders[name], SHAPE)
    return folders


def configuration(name: str, path: Path) -> AudioVideoConfig:
    """Return a configuration that reads a layout."""
    shape = {key: getattr(SHAPE, key) for key in ("frames", "height", "width", "samples", "sample_rate")}
    sized = [f"network.clip.{key}={value}" for key, value in shape.items()]
    return override(AudioVideoConfig(), [f"data.name={name}", f"data.path={path}", *sized])


def test_every_layout_is_recognised_as_itself_alone(layouts: dict[str, Path]) -> None:
    for name, path in layouts.items():
        assert [other for other, layout in CLIP_LAYOUTS.items() if layout.recognise(path)] == [name]


@pytest.mark.parametrize("name", CLIP_LAYOUTS)
def test_clips_of_every_layout_come_back_as_they_were_written(name: str, layouts: dict[str, Path]) -> None:
    config = configuration(name, layouts[name])
    train, val, test = (clips(config, split) for split in ("train", "val", "test"))
    assert len(val) == len(test)
    written = EventClips(4, 24, SHAPE)
    for source in (train, test):
        for index in range(0, len(source), 5):
            path = source.files[index][0]  # type: ignore[attr-defined]
            number = int(path.stem.split("-_")[-1].split("_")[0])
            clip, label = source[index]
            want, truth = written[number]
            if name == "fakeavceleb":
                assert label == (truth % 4 != 0)
            else:
                assert source.classes[label] == CLASSES[truth]
            assert clip.frames is not None and want.frames is not None
            assert np.abs(clip.frames.astype(int) - want.frames).mean() < 12  # of which half is noise


def test_vggsound_takes_its_own_split_and_leaves_out_what_is_lost(layouts: dict[str, Path]) -> None:
    config = configuration("vggsound", layouts["vggsound"])
    assert (len(clips(config, "train")), len(clips(config, "test"))) == (16, 7)  # the last one of 8 is lost
    assert clips(config, "train").classes == tuple(sorted(CLASSES))


def test_fakeavceleb_trains_on_the_first_seventy_percent_of_every_class(layouts: dict[str, Path]) -> None:
    config = configuration("fakeavceleb", layouts["fakeavceleb"])
    train, test = clips(config, "train"), clips(config, "test")
    assert (len(train), len(test)) == (16, 8)  # 6 clips in each of 4 folders: 4 and 2
    assert train.classes == ("real", "fake")
    folders = {}
    for source in (train, test):
        for path, _ in source.files:  # type: ignore[attr-defined]
            folders.setdefault(path.parts[-5], []).append(path)
    assert all(paths == sorted(paths) for paths in folders.values()) and len(folders) == 4


def test_a_broken_list_is_refused_with_its_line(layouts: dict[str, Path], tmp_path: Path) -> None:
    with (tmp_path / "vggsound.csv").open("w", newline="") as file:
        csv.writer(file).writerows([("a", "0", "bell", "train"), ("b", "x", "bell", "train")])
    with pytest.raises(ConfigError, match=r"line 2 is 'b,x,bell,train'"):
        clips(configuration("vggsound", tmp_path), "train")


@pytest.mark.parametrize("name", CLIP_LAYOUTS)
def test_an_empty_folder_is_refused_by_what_is_missing(name: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"missing|cannot be read"):
        clips(configuration(name, tmp_path), "train")


def test_films_and_sounds_of_every_ending_are_clips_once(tmp_path: Path) -> None:
    for ending in CLIP_ENDINGS:
        (tmp_path / f"only_{ending[1:]}{ending}").write_bytes(b"content")
    for name in ("both.mp4", "both.wav", "UPPER.MOV", "._both.mp4", "notes.txt", "__MACOSX/both.mp4"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"content")
    names = {path.name for path in clips_in(tmp_path)}
    assert names == {f"only_{ending[1:]}{ending}" for ending in CLIP_ENDINGS} | {"both.mp4", "UPPER.MOV"}


@pytest.mark.parametrize(
    ("container", "codec", "ending"),
    [("wav", "pcm_s16le", ".wav"), ("flac", "flac", ".flac"), ("mpegts", "aac", ".ts")],
)
def test_a_folder_of_clips_in_other_containers_is_recognised_and_read(
    container: str, codec: str, ending: str, tmp_path: Path
) -> None:
    content = written(container, sound=tone(), sound_codec=codec)
    for split in ("train", "test"):
        for name in ("bell", "knock"):
            (tmp_path / split / name).mkdir(parents=True)
            (tmp_path / split / name / f"one{ending}").write_bytes(content)
    assert CLIP_LAYOUTS["clips"].recognise(tmp_path)
    source = clips(configuration("clips", tmp_path), "train")
    assert len(source) == 2
    assert source[0].clip.waveform is not None and np.abs(source[0].clip.waveform).max() > 0.1


def test_a_data_set_that_is_nowhere_is_refused() -> None:
    with pytest.raises(ConfigError, match="allowed are events, vggsound, fakeavceleb, clips"):
        clips(override(AudioVideoConfig(), ["data.name=kinetics"]), "train")
    with pytest.raises(ConfigError, match=r"data.path=DIR"):
        clips(override(AudioVideoConfig(), ["data.name=clips"]), "train")


@pytest.mark.parametrize("layout", ["clips", "vggsound"])
def test_written_clips_are_found_sound_and_bad_ones_are_named(
    layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    make = ["make-data", "events", "--layout", layout, "--to", str(tmp_path / "data"), "--count", "25"]
    assert main([*make, "--size", "32x40"]) == 0
    check = ["check-data", str(tmp_path / "data"), "--quiet"]
    assert main(check) == 0
    printed = capsys.readouterr().out
    assert CLIP_LAYOUTS[layout].title in printed and "nothing wrong" in printed and f"data.name={layout}" in printed
    broken, mute = sorted((tmp_path / "data").rglob("*.mp4"))[:2]
    broken.write_bytes(b"no clip")
    write_clip(Clip(EventClips(0, 1, SHAPE)[0].clip.frames, None), mute, SHAPE)
    assert main(check) == 2
    said = capsys.readouterr()
    assert f"{broken}: cannot be read as a clip" in said.out and f"{mute}: has no sound" in said.out
    assert "2 problems in" in said.err


def test_clips_to_validate_with_are_looked_through_too(
    layouts: dict[str, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    root = tmp_path / "data"
    shutil.copytree(layouts["clips"], root)
    shutil.copytree(root / "test", root / "val")
    check = ["check-data", str(root), "--quiet"]
    assert main(check) == 0
    assert "32 clips" in capsys.readouterr().out  # 16 to train on, 8 each to validate and to test with
    broken = min((root / "val").rglob("*.mp4"))
    broken.write_bytes(b"no clip")
    assert main(check) == 2
    said = capsys.readouterr()
    assert f"{broken}: cannot be read as a clip" in said.out and "1 problem in 32 clips" in said.err
    (root / "val" / "stray").mkdir()
    assert main(check) == 2
    assert f"{root / 'val'} has the classes stray, which {root / 'train'} has not" in capsys.readouterr().err


@pytest.mark.parametrize("layout", WRITERS)
def test_the_fewest_clips_that_are_written_pass_the_check_and_fewer_would_not(
    layout: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    fewest = FEWEST[layout]
    make = ["make-data", "events", "--layout", layout, "--to", str(tmp_path / "data"), "--size", "32x40", "--count"]
    assert main([*make, str(fewest - 1)]) == 2
    assert f"--count is {fewest - 1}; allowed is {fewest} or more" in capsys.readouterr().err
    assert not (tmp_path / "data").exists()
    assert main([*make, str(fewest)]) == 0
    assert main(["check-data", str(tmp_path / "data"), "--quiet"]) == 0
    WRITERS[layout](EventClips(0, fewest - 1, SHAPE), tmp_path / "fewer", SHAPE)
    with pytest.raises(ConfigError, match=r"holds none of the clips|is missing"):
        for split in SPLITS:
            CLIP_LAYOUTS[layout].open(tmp_path / "fewer", split, SHAPE)


# Absence ------------------------------------------------------------------------------------------------------------


class OneClip:
    """A set of clips that lack their sound."""

    classes = CLASSES

    def __len__(self) -> int:
        """One clip."""
        return 1

    def __getitem__(self, index: int) -> Labelled:
        """Return its pictures."""
        event = render(0, index)
        return Labelled(Clip(event.frames, None), event.label)


def test_a_missing_modality_is_zeros() -> None:
    (frames, sound), _ = ClipDataset(OneClip(), AudioVideoConfig())[0]
    assert frames.any() and sound.shape == (32000,) and not sound.any()


def test_modality_dropout_takes_one_modality_from_its_share_of_the_clips() -> None:
    config = override(AudioVideoConfig(), ["modality_dropout=0.5"])
    source = EventClips(0, 8, config.network.clip)
    trained = ClipDataset(source, config, training=True)
    from crosswire.training.tasks.segmentation.data import Draw

    absent = np.array([[not x.any() for x in trained[Draw(0, number)][0]] for number in range(200)])
    assert 0.35 < absent.any(1).mean() < 0.65 and not absent.all(1).any()
    assert 0.3 < absent[absent.any(1), 0].mean() < 0.7
    again = [not x.any() for x in trained[Draw(0, 7)][0]]
    assert again == absent[7].tolist()
    assert all(x.any() for x in ClipDataset(source, config)[0][0])


# Scores -------------------------------------------------------------------------------------------------------------


def test_the_area_under_the_curve_is_the_rank_statistic() -> None:
    random = np.random.default_rng(0)
    scores, positive = random.integers(0, 20, 300) / 20, random.random(300) < 0.2
    ranks = rankdata(scores)
    count, others = positive.sum(), (~positive).sum()
    expected = (ranks[positive].sum() - count * (count + 1) / 2) / (count * others)
    assert area_under_roc(scores, positive) == pytest.approx(expected)
    assert area_under_roc(positive.astype(float), positive) == 1.0
    assert np.isnan(area_under_roc(scores, np.ones(300, bool)))


def test_an_always_fake_answer_has_high_accuracy_and_an_area_of_one_half() -> None:
    labels = np.array([0] + [1] * 39)
    scored = score_clips(np.tile([[0.1, 0.9]], (40, 1)), labels)
    assert scored.accuracy == pytest.approx(39 / 40) and scored.auc == 0.5


def test_mean_average_precision_looks_at_the_n_most_similar() -> None:
    similarity = np.array([[0.9, 0.8, 0.7, 0.6]])
    relevant = np.array([[True, False, True, True]])
    assert mean_average_precision(similarity, relevant, 1) == 1.0
    assert mean_average_precision(similarity, relevant, 3) == pytest.approx((1 + 2 / 3) / 2)
    assert mean_average_precision(similarity, relevant, 9) == pytest.approx((1 + 2 / 3 + 3 / 4) / 3)
    assert mean_average_precision(similarity, ~relevant, 1) == 0.0

"""Fetched files to a finished version folder: ONNX variants, labels, manifest, licence note."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import ModelProto

from nasfarm.core.models import ModelManifest, Variant
from nasfarm.errors import RejectError
from nasfarm.registry.publish import sha256_of, write_description
from nasfarm.storage.atomic import storage_errors
from nasfarm_models.catalog import Entry, KnownModel
from nasfarm_models.compare import find
from nasfarm_models.efficientnet.convert import convert_efficientnet_lite
from nasfarm_models.inputs import photo_batches
from nasfarm_models.quantize.engine import Form, Order, make_variant
from nasfarm_models.quantize.report import Report, write_report
from nasfarm_models.quantize.split import split
from nasfarm_models.tfjs.convert import convert_tfjs
from nasfarm_workers.runtime.session import open_session

_CHECKED_PHOTOS = 4
_ROUNDING = 1e-3


def build_version(
    model: KnownModel,
    entry: Entry,
    files: Mapping[str, Path],
    photos: Sequence[Path],
    folder: Path,
    say: Callable[[str], None],
) -> None:
    """Fill `folder` with one version of `model`, and try every variant on photos.

    files: path inside the package → the fetched file. photos: to try it on, and to make INT8 with.
    say: takes a line for the user. Raises RejectError, StorageError.
    """
    fp32 = folder / "fp32.onnx"
    onnx_model = _converted(model, files[model.file])
    with storage_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if model.converter == "as_is":
            fp32.write_bytes(files[model.file].read_bytes())
        else:
            onnx.save(onnx_model, fp32)
    labels = model.labels or _alphabet(onnx_model, model)
    try_out(fp32, model, labels, photos)
    default = model.default_variant
    if model.quantizer == "static":
        report = _int8(model, labels, photos, folder, say)
        default = "int8" if report.verdict.active else "fp32"
        write_report(folder, report)
    with storage_errors(folder):
        (folder / "LICENCE.txt").write_text(f"{entry.licence}\n\n{entry.licence_note}\n")
    write_description(folder, _manifest(model, entry, folder, default), labels)


def _int8(
    model: KnownModel,
    labels: Sequence[str],
    photos: Sequence[Path],
    folder: Path,
    say: Callable[[str], None],
) -> Report:
    """Make int8.onnx beside fp32.onnx; it stays there only where it may be used by itself."""
    int8 = folder / "int8.onnx"
    form = Form(model.int8_kept, model.int8_ranges)
    title = f"{model.name}@{model.version}"
    order = Order(title, "int8", model, labels, split(photos), form=form)
    report = make_variant(order, folder / "fp32.onnx", int8, say)
    verdict = report.verdict
    say(f"{model.name}: INT8 is {report.speed.ratio:.2f} times as fast, {report.agreement}")
    if verdict.active:
        try_out(int8, model, labels, photos)
        return report
    say(f"{model.name}: INT8 is left out, FP32 is used: {'; '.join(verdict.reasons)}")
    with storage_errors(int8):
        int8.unlink()
    return report


def try_out(path: Path, model: KnownModel, labels: Sequence[str], photos: Sequence[Path]) -> None:
    """Run one ONNX file on photos, as a worker does. Raises RejectError (code `model`) where it
    does not run, or what its head finds cannot be right.
    """
    session = open_session(path, threads=1)
    for example in photo_batches(photos[:_CHECKED_PHOTOS], model.input, most=2):
        for output in session.run(example.tensor):
            if len(output) != len(example.rows) or not np.isfinite(output).all():
                raise RejectError(
                    f"{model.name}, {path.name}: expected {len(example.rows)} rows of finite "
                    f"numbers, got {output.shape}",
                    code="model",
                )
        for finding in find(session, model, labels, example, score=0.05):
            if not 0 <= finding.score <= 1 + _ROUNDING:
                raise RejectError(
                    f"{model.name}, {path.name}: expected scores in 0..1, got {finding.score}",
                    code="model",
                )


def _converted(model: KnownModel, path: Path) -> ModelProto:
    if model.converter == "tfjs":
        return convert_tfjs(path)
    if model.converter == "efficientnet_lite":
        return convert_efficientnet_lite(path)
    try:
        return onnx.load(path)
    except Exception as error:  # protobuf's own, which differs between its versions
        raise RejectError(f"{path.name}: not an ONNX model: {error}", code="model") from error


def _alphabet(onnx_model: ModelProto, model: KnownModel) -> tuple[str, ...]:
    """Blank, the characters that the model carries, space: PP-OCR's order of classes."""
    if not model.alphabet_key:
        return ()
    for each in onnx_model.metadata_props:
        if each.key == model.alphabet_key:
            return ("", *each.value.removesuffix("\n").split("\n"), " ")
    raise RejectError(f"{model.name}: it carries no '{model.alphabet_key}'", code="model")


def _manifest(model: KnownModel, entry: Entry, folder: Path, default_variant: str) -> ModelManifest:
    paths = sorted(folder.glob("*.onnx"))
    variants = {
        path.stem: Variant(path.stem, path.name, sha256_of(path), path.stat().st_size)
        for path in paths
    }
    return ModelManifest(
        name=model.name,
        version=model.version,
        input=model.input,
        head=model.head,
        head_options=model.head_options,
        batch=model.batch,
        variants=variants,
        default_variant=default_variant,
        licence=entry.licence,
        source=f"{entry.source}, {model.file}",
        notes=model.notes,
    )

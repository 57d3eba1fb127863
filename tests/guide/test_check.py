"""Models that could reach outside themselves are refused before a runtime sees them; sound ones pass."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fieldguide.errors import GuideDamaged
from fieldguide.guide.check import check_model
from fieldguide.project import Project

onnx = pytest.importorskip("onnx", reason="building models needs the extra [train]")
helper = onnx.helper
FLOAT = onnx.TensorProto.FLOAT


def tensor(name: str, external: bool = False) -> Any:
    values = helper.make_tensor(name, FLOAT, [2], [1.0, 2.0])
    return outside(values) if external else values


def outside(values: Any) -> Any:
    """Move the data of a tensor to another file."""
    values.ClearField("float_data")
    values.data_location = onnx.TensorProto.EXTERNAL
    values.external_data.add(key="location", value="../../etc/passwd")
    return values


def graph(nodes: list[Any], initializers: list[Any], name: str = "g", inner: bool = False) -> Any:
    value = helper.make_tensor_value_info
    inputs = [] if inner else [value("x", FLOAT, [2])]
    return helper.make_graph(nodes, name, inputs, [value(f"y_{name}", FLOAT, [2])], initializers)


def model(nodes: list[Any], initializers: list[Any] | None = None, **more: Any) -> Any:
    opsets = [helper.make_opsetid("", 17), *more.pop("opsets", [])]
    return helper.make_model(graph(nodes, initializers or []), opset_imports=opsets, **more)


def add_node(domain: str = "") -> Any:
    return helper.make_node("Add", ["x", "w"], ["y_g"], domain=domain)


def if_node(branch: Any) -> Any:
    else_branch = graph([helper.make_node("Constant", [], ["y_else"], value=tensor("c"))], [], "else", inner=True)
    return helper.make_node("If", ["x"], ["y_g"], then_branch=branch, else_branch=else_branch)


def good() -> Any:
    return model([add_node()], [tensor("w")])


def with_subgraph(external: bool = False, domain: str = "") -> Any:
    node = helper.make_node("Add", ["x", "w"], ["y_then"], domain=domain)
    return model([if_node(graph([node], [tensor("w", external)], "then", inner=True))])


def with_function(domain: str = "", external: bool = False) -> Any:
    value = helper.make_node("Constant", [], ["c"], value=tensor("c", external))
    function = helper.make_function("ai.onnx.ml", "Ours", ["a"], ["c"], [value, helper.make_node("Odd", ["a"], ["b"],
                                    domain=domain)], [helper.make_opsetid("", 17)])  # fmt: skip
    return model([add_node()], [tensor("w")], functions=[function])


def with_sparse(external: bool) -> Any:
    sparse = model([add_node()], [tensor("w")])
    indices = helper.make_tensor("i", onnx.TensorProto.INT64, [2], [0, 1])
    values = tensor("v", external)
    sparse.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [4]))
    return sparse


def with_sparse_attribute(external: bool) -> Any:
    indices = helper.make_tensor("i", onnx.TensorProto.INT64, [2], [0, 1])
    sparse = helper.make_sparse_tensor(tensor("v", external), indices, [4])
    return model([helper.make_node("Constant", [], ["y_g"], sparse_value=sparse)])


def with_tensor_attribute(external: bool) -> Any:
    return model([helper.make_node("Constant", [], ["y_g"], value=tensor("c", external))])


def with_list_of_tensors(external: bool) -> Any:
    node = helper.make_node("Odd", ["x"], ["y_g"])
    node.attribute.append(helper.make_attribute("many", [tensor("a"), tensor("b", external)]))
    return model([node])


def with_list_of_graphs(external: bool) -> Any:
    node = helper.make_node("Odd", ["x"], ["y_g"])
    inner = graph([helper.make_node("Constant", [], ["y_in"], value=tensor("c", external))], [], "in", inner=True)
    node.attribute.append(helper.make_attribute("many", [inner]))
    return model([node])


def refused(proto: Any) -> str:
    with pytest.raises(GuideDamaged) as caught:
        check_model(proto if isinstance(proto, bytes) else proto.SerializeToString())
    assert caught.value.hint
    return caught.value.message


def test_sound_models_pass() -> None:
    check_model(good().SerializeToString())
    check_model(with_subgraph().SerializeToString())
    check_model(with_function().SerializeToString())
    check_model(model([add_node("ai.onnx")], [tensor("w")]).SerializeToString())


def test_what_is_published_passes(built: Project) -> None:
    check_model((built.guide_folder / "model.onnx").read_bytes())


WITH_DATA: list[Callable[[bool], Any]] = [
    lambda external: model([add_node()], [tensor("w", external)]),
    lambda external: with_subgraph(external),
    lambda external: with_function(external=external),
    with_sparse,
    with_sparse_attribute,
    with_tensor_attribute,
    with_list_of_tensors,
    with_list_of_graphs,
]


@pytest.mark.parametrize("place", range(len(WITH_DATA)))
def test_data_in_other_files_is_refused_wherever_it_hides(place: int) -> None:
    check_model(WITH_DATA[place](False).SerializeToString())
    assert "other files" in refused(WITH_DATA[place](True))


def test_data_elsewhere_is_refused_also_by_halves() -> None:
    only_place = good()
    only_place.graph.initializer[0].external_data.add(key="location", value="x")
    assert "other files" in refused(only_place)
    only_mark = good()
    only_mark.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    assert "other files" in refused(only_mark)


def test_saved_by_the_library_itself(tmp_path: Path) -> None:
    proto = good()
    onnx.external_data_helper.convert_model_to_external_data(proto, size_threshold=0, location="w.bin")
    proto.graph.initializer[0].raw_data = b"\0" * 8
    onnx.external_data_helper.convert_model_to_external_data(proto, size_threshold=0, location="w.bin")
    onnx.save(proto, tmp_path / "m.onnx")
    assert "other files" in refused((tmp_path / "m.onnx").read_bytes())


@pytest.mark.parametrize("domain", ["com.microsoft", "evil", "ai.onnx.training", "AI.ONNX", "\u2024"])
def test_operators_of_other_domains_are_refused_wherever_they_hide(domain: str) -> None:
    in_opsets = model([add_node()], [tensor("w")], opsets=[helper.make_opsetid(domain, 1)])
    for proto in (in_opsets, model([add_node(domain)]), with_subgraph(domain=domain), with_function(domain=domain)):
        assert "operators of" in refused(proto)


def test_a_function_of_another_domain() -> None:
    proto = with_function()
    proto.functions[0].domain = "evil"
    assert "'evil'" in refused(proto)


def test_a_training_graph_cannot_hide_data() -> None:
    proto = good()
    proto.training_info.add().algorithm.CopyFrom(graph([add_node()], [tensor("w", external=True)]))
    assert "other files" in refused(proto)


def test_the_defaults_and_versions_of_a_function_are_read_too() -> None:
    proto = with_function()
    proto.functions[0].attribute_proto.append(helper.make_attribute("a", tensor("t", external=True)))
    assert "other files" in refused(proto)
    proto = with_function()
    proto.functions[0].opset_import.append(helper.make_opsetid("evil", 1))
    assert "'evil'" in refused(proto)


def declared(dims: list[int], **held: Any) -> Any:
    """Return a model with a tensor that states a size and holds next to nothing."""
    tensor_of_size = onnx.TensorProto(name="huge", data_type=FLOAT, dims=dims, **held)
    return model([add_node()], [tensor("w"), tensor_of_size])


@pytest.mark.parametrize("dims", [[2**31], [2**16, 2**15], [2**62, 2**62], [-5]])
@pytest.mark.parametrize("held", [{}, {"raw_data": b"0"}, {"float_data": [0.0]}])
def test_a_tensor_that_states_gigabytes_and_holds_none(dims: list[int], held: dict[str, Any]) -> None:
    assert "holds few" in refused(declared(dims, **held))
    whole = declared([64, 64], raw_data=bytes(64 * 64 * 4))
    check_model(whole.SerializeToString())
    check_model(declared([2**31, 0]).SerializeToString())
    in_branch = graph(
        [helper.make_node("Constant", [], ["y_then"], value=declared([2**31]).graph.initializer[1])],
        [],
        "then",
        inner=True,
    )
    assert "holds few" in refused(model([if_node(in_branch)]))


def test_graphs_nested_too_deep() -> None:
    inner = graph([helper.make_node("Constant", [], ["y_then"], value=tensor("c"))], [], "then", inner=True)
    for _ in range(20):
        inner = graph([if_node(inner)], [], "then", inner=True)
    assert "nested too deep" in refused(model([if_node(inner)]))
    deep = b""
    for _ in range(3000):
        deep = _field(6, _field(1, _field(5, deep)))
        if len(deep) > 100_000:
            break
    assert "nested too deep" in refused(_field(7, _field(1, _field(5, deep))))


def _field(number: int, data: bytes) -> bytes:
    """Return a length-delimited field."""
    length, remaining = b"", len(data)
    while remaining > 0x7F:
        length, remaining = length + bytes([remaining & 0x7F | 0x80]), remaining >> 7
    return bytes([number << 3 | 2]) + length + bytes([remaining]) + data


@pytest.mark.parametrize(
    "data",
    [b"\xff" * 40, b"PK\x03\x04 not a model", b"\x0a\xff\xff\xff\xff\x7f", b"\x3a\x80", b"<html></html>", b"\x00" * 9],
)
def test_what_is_no_model(data: bytes) -> None:
    assert "not an ONNX file" in refused(data)


def test_a_model_that_is_too_large(monkeypatch: pytest.MonkeyPatch) -> None:
    data = good().SerializeToString()
    monkeypatch.setattr("fieldguide.guide.check.MAX_BYTES", len(data) - 1)
    assert "at most" in refused(data)


@given(st.data())
def test_damage_is_refused_or_harmless(draw: st.DataObject) -> None:
    data = bytearray(with_subgraph().SerializeToString())
    for _ in range(draw.draw(st.integers(1, 4))):
        data[draw.draw(st.integers(0, len(data) - 1))] = draw.draw(st.integers(0, 255))
    try:
        check_model(bytes(data))
    except GuideDamaged:
        return
    try:
        loaded = onnx.load_model_from_string(bytes(data))
    except Exception:  # the library refuses it too
        return
    assert not [tensor for tensor in loaded.graph.initializer if tensor.external_data]


@given(st.binary(max_size=200))
def test_any_bytes_are_refused_or_harmless(data: bytes) -> None:
    try:
        check_model(data)
    except GuideDamaged as error:
        assert error.hint

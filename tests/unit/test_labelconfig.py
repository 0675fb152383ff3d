"""Label configurations: what people write in Label Studio's settings becomes controls, objects and class numbers."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from syncd.errors import Misconfigured
from syncd.labelstudio.labelconfig import (
    LONGEST_CONFIG,
    control_for,
    keypoint_names,
    number_classes,
    object_for,
    parse_label_config,
    region_classes,
)
from syncd.model import Label

CONTROLS_OF_THE_TAG_REFERENCE = [
    "Bitmask",
    "BitmaskLabels",
    "Brush",
    "BrushLabels",
    "Choices",
    "DateTime",
    "Ellipse",
    "EllipseLabels",
    "HyperTextLabels",
    "KeyPoint",
    "KeyPointLabels",
    "Labels",
    "MagicWand",
    "Number",
    "Pairwise",
    "ParagraphLabels",
    "Polygon",
    "PolygonLabels",
    "Ranker",
    "Rating",
    "Rectangle",
    "RectangleLabels",
    "Taxonomy",
    "TextArea",
    "TimeSeriesLabels",
    "TimelineLabels",
    "Vector",
    "VectorLabels",
    "VideoRectangle",
]
OBJECTS_OF_THE_TAG_REFERENCE = [
    "Audio",
    "AudioPlus",
    "HyperText",
    "Image",
    "List",
    "Markdown",
    "Paragraphs",
    "Pdf",
    "Table",
    "Text",
    "TimeSeries",
    "Video",
]


def config(*tags: str) -> str:
    return f"<View>{''.join(tags)}</View>"


IMAGE = '<Image name="image" value="$image"/>'


@pytest.mark.parametrize("tag", CONTROLS_OF_THE_TAG_REFERENCE)
def test_every_control_of_the_tag_reference_is_a_control(tag: str) -> None:
    schema = parse_label_config(config(IMAGE, f'<{tag} name="it" toName="image"/>'))
    assert schema.controls["it"].type == tag
    assert schema.controls["it"].to_name == ("image",)
    assert list(schema.objects) == ["image"]


@pytest.mark.parametrize("tag", OBJECTS_OF_THE_TAG_REFERENCE)
def test_every_object_of_the_tag_reference_is_an_object(tag: str) -> None:
    schema = parse_label_config(config(f'<{tag} name="it" value="$shown"/>'))
    assert schema.objects["it"].type == tag
    assert schema.objects["it"].data_key == "shown"
    assert not schema.controls


def test_a_chat_is_what_is_annotated_and_what_annotates() -> None:
    for chat in ('<Chat name="chat" value="$messages"/>', '<Chat name="chat" value="$messages" toName="chat"/>'):
        schema = parse_label_config(config(chat))
        assert schema.controls["chat"].to_name == ("chat",)
        assert schema.objects["chat"].data_key == "messages"


def test_an_interface_of_ones_own_takes_its_data_from_the_attribute_data() -> None:
    schema = parse_label_config(
        config('<ReactCode name="own" toName="own" data="$page"><![CDATA[a && b]]></ReactCode>')
    )
    assert schema.controls["own"].type == "ReactCode"
    assert schema.objects["own"].data_key == "page"


def test_filters_headers_and_styles_are_neither() -> None:
    tags = '<Filter name="f" toName="c" value="$x"/>', '<Header value="Look"/>', "<Style>a {}</Style>"
    schema = parse_label_config(config(IMAGE, *tags))
    assert list(schema.controls) == []


def test_labels_are_called_by_their_alias_and_keep_category_and_colour() -> None:
    schema = parse_label_config(
        config(
            IMAGE,
            '<RectangleLabels name="r" toName="image">'
            '<Label value="Moth" alias="moth_a" category="5" background="#112233"/><Label value="Ant"/>'
            "</RectangleLabels>",
        )
    )
    moth, ant = schema.controls["r"].labels
    assert (moth.name, moth.value, moth.category, moth.background) == ("moth_a", "Moth", 5, "#112233")
    assert (ant.name, ant.category, ant.background) == ("Ant", None, None)


def test_labels_inside_views_belong_to_the_control_around_them() -> None:
    labels = '<View><Header value="Cars"/><View><Label value="Car"/></View></View><Label value="Bus"/>'
    schema = parse_label_config(config(IMAGE, f'<RectangleLabels name="r" toName="image">{labels}</RectangleLabels>'))
    assert [label.name for label in schema.controls["r"].labels] == ["Car", "Bus"]


def test_a_taxonomy_has_the_choices_of_all_its_levels() -> None:
    tree = '<Choice value="Animal"><Choice value="Dog" alias="dog"/></Choice><Choice value="Plant"/>'
    schema = parse_label_config(config(IMAGE, f'<Taxonomy name="t" toName="image">{tree}</Taxonomy>'))
    assert [label.name for label in schema.controls["t"].labels] == ["Animal", "dog", "Plant"]


@pytest.mark.parametrize(
    "tag",
    [
        '<RectangleLabels name="c" toName="image" value="$labels"/>',
        '<Choices name="c" toName="image" value="$options"/>',
        '<Taxonomy name="c" toName="image" apiUrl="https://example.com/tree.json"/>',
        '<Labels name="c" toName="image"><Label value="$label"/></Labels>',
    ],
)
def test_labels_that_come_with_the_task_are_dynamic(tag: str) -> None:
    control = parse_label_config(config(IMAGE, tag)).controls["c"]
    assert control.dynamic
    assert control.labels == ()


def test_a_text_filled_in_beforehand_is_not_a_label_from_the_data() -> None:
    control = parse_label_config(config(IMAGE, '<TextArea name="c" toName="image" value="$draft"/>')).controls["c"]
    assert not control.dynamic


def test_a_control_can_compare_several_objects() -> None:
    texts = '<Text name="t1" value="$a"/><Text name="t2" value="$b"/>'
    schema = parse_label_config(config('<Pairwise name="p" toName="t1, t2"/>', texts))
    control = schema.controls["p"]
    assert control.to_name == ("t1", "t2")
    assert object_for(schema, control) is schema.objects["t1"]
    assert object_for(schema, control, "t2") is schema.objects["t2"]
    assert object_for(schema, control, "elsewhere") is schema.objects["t1"]


def test_a_value_list_shows_many_images() -> None:
    image = parse_label_config(config('<Image name="pages" valueList="$scans"/>')).objects["pages"]
    assert image.many
    assert image.data_key == "scans"


REPEATED = """<View><Repeater on="$pages" indexFlag="{{page}}">
  <Image name="image_{{page}}" value="$pages[{{page}}].url"/>
  <RectangleLabels name="box_{{page}}" toName="image_{{page}}"><Label value="Stamp"/></RectangleLabels>
  <RectangleLabels name="box_{{page}}_fine" toName="image_{{page}}"><Label value="Dot"/></RectangleLabels>
</Repeater><Choices name="box_kind" toName="image_0"><Choice value="a"/></Choices></View>"""


def test_results_inside_a_repeater_find_their_control_by_the_longest_pattern() -> None:
    schema = parse_label_config(REPEATED)

    def name_of(from_name: str) -> str | None:
        control = control_for(schema, from_name)
        return control.name if control else None

    assert name_of("box_12") == "box_{{page}}"
    assert name_of("box_12_fine") == "box_{{page}}_fine"
    assert name_of("box_kind") == "box_kind"
    assert name_of("line_1") is None
    assert schema.objects["image_{{page}}"].index_flag == "{{page}}"
    assert schema.objects["image_{{page}}"].data_key == "pages"


def test_characters_that_mean_something_in_patterns_stand_for_themselves() -> None:
    tags = '<Repeater on="$p"><Image name="i{{idx}}" value="$p"/><Rating name="a.b({{idx}})" toName="i{{idx}}"/></Repeater>'
    schema = parse_label_config(config(tags))
    assert control_for(schema, "a.b(3)") is not None
    assert control_for(schema, "axb(3)") is None


@pytest.mark.parametrize("empty", ["", "  \n", "<View/>", "<View></View>"])
def test_a_project_without_configuration_has_an_empty_schema(empty: str) -> None:
    schema = parse_label_config(empty)
    assert (dict(schema.controls), dict(schema.objects)) == ({}, {})


def test_an_xml_declaration_and_comments_are_no_trouble() -> None:
    schema = parse_label_config(f'\n<?xml version="1.0" encoding="utf-8"?><!-- Ü --><View><!-- ö -->{IMAGE}</View>')
    assert list(schema.objects) == ["image"]


BOMB = '<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]><View><Header value="&b;"/></View>'
FOREIGN = '<!DOCTYPE x [<!ENTITY f SYSTEM "file:///etc/passwd">]><View>&f;</View>'


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (BOMB, "defines XML entities"),
        (FOREIGN, "defines XML entities"),
        ("<View><Image</View>", "not well-formed XML"),
        ("not xml at all", "not well-formed XML"),
        ("<View>" + "<Header value='x'/>" * 550_000 + "</View>", f"at most {LONGEST_CONFIG:,} are read"),
        ('<View><Header value="\ud800"/></View>', "lone surrogate"),
    ],
    ids=["bomb", "foreign file", "malformed", "no xml", "ten megabytes", "lone surrogate"],
)
def test_what_cannot_be_read_is_refused_with_the_reason(text: str, reason: str) -> None:
    with pytest.raises(Misconfigured, match=reason):
        parse_label_config(text)


def test_depth_does_not_bring_the_reader_down() -> None:
    depth = 50_000
    schema = parse_label_config("<View>" * depth + IMAGE + "</View>" * depth)
    assert list(schema.objects) == ["image"]


# --- classes ----------------------------------------------------------------------------------------

ZOO = config(
    IMAGE,
    '<RectangleLabels name="r" toName="image">'
    '<Label value="zebra"/><Label value="ant" category="5"/><Label value="Moth" alias="moth_a"/></RectangleLabels>',
    '<PolygonLabels name="p" toName="image"><Label value="leaf"/></PolygonLabels>',
    '<KeyPointLabels name="k" toName="image"><Label value="tail"/><Label value="nose"/></KeyPointLabels>',
    '<Choices name="c" toName="image"><Choice value="good"/><Choice value="bad"/></Choices>',
)


def test_classes_are_the_labels_of_regions_without_choices_and_keypoints() -> None:
    """Label Studio's converter lists every choice as a class (issue 3556)."""
    schema = parse_label_config(ZOO)
    assert {label.name for label in region_classes(schema)} == {"zebra", "ant", "moth_a", "leaf"}
    assert keypoint_names(schema) == ("tail", "nose")


def test_class_numbers_are_those_label_studio_gives() -> None:
    numbers = number_classes(region_classes(parse_label_config(ZOO)))
    assert numbers == {"leaf": 0, "moth_a": 1, "zebra": 2, "ant": 5}
    assert list(numbers) == ["leaf", "moth_a", "zebra", "ant"]


def test_a_label_found_only_in_data_never_takes_a_number_that_is_taken() -> None:
    """The converter numbers it by the length of the table, which an explicit category may have already."""
    numbers = number_classes([Label("a", category=1)], ["new"])
    assert numbers == {"new": 0, "a": 1}


def test_one_number_is_never_given_to_two_labels() -> None:
    numbers = number_classes([Label("a", category=1), Label("b", category=1)])
    assert numbers == {"b": 0, "a": 1}


def test_a_published_number_never_changes_its_meaning() -> None:
    published = number_classes([Label("dog"), Label("cat")])
    grown = number_classes([Label("ant", category=0), Label("dog", category=7), Label("bee")], ["wasp"], published)
    assert published == {"cat": 0, "dog": 1}
    assert grown == {"cat": 0, "dog": 1, "ant": 2, "bee": 3, "wasp": 4}


@pytest.mark.parametrize("category", ["-1", "1.5", "one", "", "9999999999"])
def test_a_category_that_is_no_small_whole_number_counts_as_absent(category: str) -> None:
    tag = f'<RectangleLabels name="r" toName="image"><Label value="a" category="{category}"/></RectangleLabels>'
    (label,) = region_classes(parse_label_config(config(IMAGE, tag)))
    assert label.category is None


LABELS = st.builds(Label, st.sampled_from("abcdef"), st.none(), st.none() | st.integers(0, 4))
NAMES = st.lists(st.sampled_from("abcdefgh"), max_size=4)


@given(st.lists(LABELS, max_size=6), NAMES, st.lists(LABELS, max_size=6), NAMES)
def test_numbers_are_given_once_whatever_the_order_in_which_names_are_found(
    before: list[Label], found: list[str], after: list[Label], found_later: list[str]
) -> None:
    published = number_classes(before, found)
    assert published == number_classes(before, reversed(found))
    grown = number_classes(after, found_later, published)
    assert published.items() <= grown.items()
    assert len(set(grown.values())) == len(grown)
    assert grown.keys() == {label.name for label in [*before, *after]} | {*found, *found_later}

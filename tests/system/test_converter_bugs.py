"""Every known defect of Label Studio's converter that concerns us, and the test that fails on its behaviour and passes on ours.

`LS` is HumanSignal/label-studio, `conv` label-studio-converter, `sdk` label-studio-sdk.
"""

import ast
import json
from functools import cache
from pathlib import Path

import pytest

from tests.system.converting import box, convert, exported, files_of, task

TESTS = Path(__file__).parents[1]

INDEX = {
    "LS #5421: YOLO exports an old annotation": "unit/test_yolo.py::"
    "test_the_newest_annotation_is_exported_not_the_oldest_ls_5421",
    "LS #5421: VOC exports an old annotation": "unit/test_voc.py::test_the_newest_annotation_is_exported_not_the_oldest_ls_5421",
    "LS #7096, #6438, conv #132: same basename": "unit/test_yolo.py::test_images_of_the_same_name_keep_their_own_labels_ls_7096",
    "LS #2293, #5223, #6850, conv #131: rotation in COCO": "unit/test_coco_shapes.py::test_a_box_is_turned_in_pixels",
    "LS #2293: rotation in YOLO": "unit/test_yolo.py::test_a_turned_box_gives_its_hull_on_the_image_ls_2293",
    "LS #5914: VOC ignores rotation": "unit/test_voc.py::test_a_turned_box_gives_its_hull_and_itself_ls_5914",
    "LS #9366, #7294: file_name leaves the folder": "unit/test_coco.py::"
    "test_a_file_name_is_a_path_below_the_images_folder_and_the_address_is_kept",
    "LS #6416, #3324, #2886, #1901, #4129, #8858, conv #104: class order": "unit/test_yolo.py::"
    "test_line_n_of_classes_txt_is_class_n_and_gaps_are_held_open_ls_6416",
    "LS #6609: ids start at 0": "unit/test_coco.py::"
    "test_an_image_is_its_task_and_an_annotation_its_region_whatever_happens_to_other_tasks",
    "LS #3556, conv #196, #243: choices pollute YOLO's classes": "unit/test_yolo.py::test_choices_are_no_classes_ls_3556",
    "LS #3556, conv #196, #243: choices pollute COCO's categories": "unit/test_coco.py::test_choices_are_no_categories",
    "LS #9774: empty and unlabelled alike in YOLO": "unit/test_yolo.py::"
    "test_a_reviewed_image_without_regions_has_an_empty_file_and_an_unlabelled_one_none_ls_9774",
    "LS #9774: empty and unlabelled alike in COCO": "unit/test_coco.py::"
    "test_reviewed_and_empty_is_an_image_and_not_labelled_is_none",
    "LS #6608: EXIF orientation": "unit/test_media.py::test_a_size_is_what_a_viewer_shows",
    "LS #6608: the size the annotator saw": "unit/test_coco.py::test_an_image_has_the_size_that_the_annotator_saw",
    "conv #10: spaCy cannot read the CoNLL": "unit/test_conll.py::test_spacys_own_converter_reads_the_file",
    "conv #254, LS #556: spans lost": "unit/test_conll.py::test_overlapping_spans_leave_the_longest_and_tell_of_the_others",
    "LS #1250, conv #15: CJK tokens": "unit/test_conll.py::test_tokens_are_label_studios_own_but_for_han",
    "LS #5901: ellipses lost in COCO": "unit/test_coco_shapes.py::test_an_ellipse_becomes_a_polygon",
    "LS #5901: ellipses lost in YOLO": "unit/test_yolo.py::test_an_ellipse_is_a_polygon_of_its_outline_ls_5901",
    "LS #5901: ellipses lost in VOC": "unit/test_voc.py::test_an_ellipse_gives_its_box_ls_5901",
    "conv #168: VOC polygons empty": "unit/test_voc.py::test_a_polygon_gives_its_box_conv_168",
    "conv #166: VOC crashes on a Labels polygon": "unit/test_voc.py::"
    "test_a_polygon_under_labels_gives_its_box_instead_of_a_crash_conv_166",
    "conv #226, #222, LS #3325: OCR polygons in COCO": "unit/test_coco_shapes.py::"
    "test_shapes_under_a_labels_tag_count_by_their_shape",
    "conv #226: OCR polygons in YOLO": "unit/test_yolo.py::test_a_polygon_under_labels_is_written_conv_226",
    "LS #7306, #6366, #7764, #7649: empty files": "unit/test_yolo.py::"
    "test_a_config_without_drawn_labels_is_refused_instead_of_giving_empty_files_ls_7306",
    "LS #5243: memory grows": "system/test_convert_memory.py::test_memory_does_not_grow_with_the_number_of_tasks",
    "LS #1266, #3177: encoded names": "unit/test_yolo.py::test_names_are_readable_and_never_leave_their_folder_ls_1266",
    "LS #5241: lone surrogates": "unit/test_conll.py::test_a_lone_surrogate_sets_the_task_aside",
    "LS #3569: JSON_MIN loses data": "unit/test_json_formats.py::test_json_min_does_not_lose_data_named_like_a_control",
    "LS #2292, conv #59, #152, #211: nested JSON in CSV": "unit/test_tables.py::test_rows_of_regions_are_flat",
    "LS #1803: relations lost": "unit/test_json_formats.py::test_json_min_keeps_relations_which_the_converter_loses",
    "LS #3892, sdk #254: a PNG per region without the image's name": "unit/test_brush.py::"
    "test_the_regions_of_a_label_are_one_mask_named_after_its_image_ls_3892",
    "LS #3697, #2482, #1464: no semantic mask": "unit/test_brush.py::"
    "test_pixels_are_class_numbers_plus_one_and_later_regions_cover_earlier_ones_ls_3697",
    "sdk #478: masks split, holes lost": "unit/test_coco_shapes.py::"
    "test_a_brush_region_is_one_annotation_with_its_holes_and_islands",
    "LS #5654: predictions only as ids": "system/test_export.py::test_drafts_and_predictions_are_there_in_full_or_as_ids",
    "LS #2441: attributes lost": "unit/test_coco_shapes.py::test_what_was_said_of_a_region_is_in_its_attributes",
    "LS #4399, #1841, #3140, #4056, #4923: one bad region aborts all": "system/test_poison.py::"
    "test_the_poisoned_are_set_aside_and_all_others_written",
    "LS #4399: regions of unforeseen form": "unit/test_odd_results.py::test_no_result_ends_the_run",
    "LS #6754, #6502, #6791, #2851: poses merged in COCO": "unit/test_coco_shapes.py::"
    "test_keypoints_go_with_their_parent_in_the_order_of_the_configuration",
    "LS #6754: poses in YOLO": "unit/test_yolo.py::test_a_pose_has_the_keypoints_of_its_own_box_ls_6754",
    "LS #5553, #6651, #3868: images missing": "system/test_with_images.py::"
    "test_images_stand_beside_their_labels_and_a_missing_one_is_reported",
    "LS #1289: an image per annotation": "unit/test_coco.py::test_two_annotations_of_a_task_share_one_image",
    "conv #37, LS #4929: span offsets": "unit/test_conll.py::test_a_span_lies_on_the_text_it_says",
    "found: a transcript of another task": "unit/test_asr.py::test_a_task_without_transcript_gets_none_of_its_neighbours",
    "found: ASR crashes on an untranscribed first task": "unit/test_asr.py::"
    "test_a_first_task_without_transcript_does_not_end_the_export",
    "found: a category id that is taken": "unit/test_coco.py::"
    "test_a_label_that_only_data_knows_gets_a_category_of_its_own",
    "found: data.id replaces the task id": "unit/test_tables.py::test_the_task_id_wins_the_id_column",
    "found: TSV is named .csv": "unit/test_tables.py::test_tsv_is_named_tsv",
    "found: the data key depends on the hash seed": "unit/test_conll.py::"
    "test_each_text_of_a_task_is_cut_from_its_own_data",
    "found: a missing created_at aborts": "unit/test_json_formats.py::"
    "test_two_annotations_of_which_one_lacks_its_time_do_not_end_the_export",
    "found: a long name aborts": "unit/test_voc.py::test_a_long_name_is_cut_instead_of_aborting_the_export",
    "found: keypoints in another order than their names": "unit/test_yolo.py::"
    "test_keypoints_stand_where_model_index_puts_them",
    "found: addresses with a query lose their masks": "unit/test_coco_shapes.py::"
    "test_an_image_whose_address_has_a_query_is_not_lost",
    "found: a box without segmentation": "unit/test_coco_shapes.py::test_a_box_has_its_corners_as_segmentation",
    "found: VOC truncates twice": "unit/test_voc.py::test_a_box_is_rounded_once",
    "found: JSON writes []": "system/test_converter_bugs.py::test_converting_a_file_to_json_writes_its_tasks",
    "found: order of a folder": "system/test_converter_bugs.py::test_the_file_systems_order_of_a_folder_does_not_show",
}


@cache
def _tests_in(path: str) -> frozenset[str]:
    tree = ast.parse((TESTS / path).read_text("utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


@pytest.mark.parametrize("defect", INDEX)
def test_the_defect_has_its_test(defect: str) -> None:
    path, _, name = INDEX[defect].partition("::")

    assert name in _tests_in(path)


def test_converting_a_file_to_json_writes_its_tasks(tmp_path: Path) -> None:
    given = exported(tmp_path / "export.json", [task(1, box())])

    assert convert(given, "JSON", tmp_path / "out").code == 0

    assert json.loads((tmp_path / "out/result.json").read_bytes()) == json.loads(given.read_bytes())


def test_the_file_systems_order_of_a_folder_does_not_show(tmp_path: Path) -> None:
    made = []
    for name, order in (("up", range(1, 40)), ("down", range(39, 0, -1))):
        folder = tmp_path / name
        folder.mkdir()
        for number in order:
            (folder / f"{number}.json").write_text(json.dumps(task(number, box())))
        assert convert(folder, "COCO", tmp_path / f"{name}-out").code == 0
        made.append(files_of(tmp_path / f"{name}-out"))

    assert made[0] == made[1]

"""What was once wrong without a word, and the tests that hold the right value: each of them is there, by name."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).parent

HELD: dict[str, tuple[str, ...]] = {
    "conditions of time-dependent data ended in a traceback, as times were float64": (
        "conformance/test_conditions.py::test_a_step_is_told_them",
        "kernel/test_time.py::test_conditions_are_float32_whatever_the_data",
        "kernel/test_time.py::test_conditions_over_time_are_read_from_files",
        "kernel/test_time.py::test_uneven_times_of_a_pdebench_file_are_those_of_each_step",
    ),
    "statistics were measured again at each evaluation and resume, on whatever file was there": (
        "operator/test_changed_data.py::test_predict",
        "operator/test_changed_data.py::test_evaluate",
        "operator/test_changed_data.py::test_resume",
        "operator/test_resume.py::test_statistics_are_those_of_the_checkpoint",
        "operator/test_figures.py::test_all_ways_to_a_figure_agree_to_the_last_digit",
    ),
    "supernodes, and with them latents and metrics, depended on padding": (
        "conformance/test_every_plugin.py::test_it_keeps_the_contract_of_its_kind",
        "end_to_end/test_padding.py::test_metrics_do_not_depend_on_the_validation_batch_size",
        "end_to_end/test_padding.py::test_latents_do_not_depend_on_the_batch",
        "models/test_neighbours.py::test_a_padded_row_has_the_supernodes_that_it_has_alone",
    ),
    "values made under no_grad by one loss term took the gradient from the next": (
        "kernel/test_sharing.py::test_a_terms_gradient_does_not_depend_on_who_asked_before",
        "kernel/test_sharing.py::test_the_reach_check_meets_the_terms_together",
        "kernel/test_sharing.py::test_with_gradient_serves_both_and_without_is_shared_among_its_own",
    ),
    "in a rollout the time step and all given fields stayed those of the first step": (
        "kernel/test_time.py::test_a_rollout_is_told_the_conditions_of_each_step",
        "kernel/test_time.py::test_a_rollout_is_told_the_given_fields_of_each_step",
        "kernel/test_time.py::test_the_rollout_term_is_zero_for_the_exact_model",
        "operator/test_given.py::test_each_step_is_told_its_own",
        "operator/test_given.py::test_a_file_of_trajectories",
    ),
    "thresholds were absolute, rounding was trained on, and digits were lost before centring": (
        "conformance/test_units.py::test_a_loss_is_the_same_in_any_unit",
        "conformance/test_units.py::test_a_metric_is_the_same_in_any_unit",
        "conformance/test_units.py::test_a_loss_is_the_same_on_a_large_offset",
        "conformance/test_units.py::test_a_run_trains_to_the_same_in_any_unit",
        "kernel/test_moments.py::TestConstant::test_rounding_of_float32_is_no_variation",
        "kernel/test_moments.py::test_rounding_noise_becomes_zero_and_a_wave_keeps_its_digits",
        "data/test_digits.py::test_values_and_places_keep_their_digits",
    ),
    "a resume ignored some overrides and acted on others without writing them down": (
        "operator/test_resume.py::test_what_may_change_takes_effect_and_is_written",
        "operator/test_resume.py::test_another_experiment_is_refused_with_the_cure",
        "operator/test_resume.py::test_fewer_epochs_than_trained_are_refused",
    ),
    "complex fields lost their imaginary part; text and truth values were trained on": (
        "data/test_arrays.py::test_complex_text_and_true_or_false",
        "kernel/test_checks.py::test_what_cannot_be_used_is_refused",
    ),
    "a reader took what it did not understand for fields": (
        "data/test_neuraloperator.py::test_wrong_layouts_name_what_was_found",
    ),
    "a metric that was never finite ended in a message about a missing file": (
        "kernel/test_checks.py::test_a_metric_that_is_never_finite_ends_clearly",
        "kernel/test_guard.py::test_a_validation_that_is_not_finite_is_told_and_never_the_best",
    ),
    "a file that was cut during a run became zeros; bad values of the test split came up after training": (
        "data/test_changed_files.py::test_a_file_that_changes_ends_the_run",
        "data/test_changed_files.py::test_a_data_set_of_somebody_else",
        "data/test_files.py::test_a_file_that_is_cut_during_the_run_is_refused",
        "kernel/test_checks.py::test_other_splits_than_training_are_checked",
    ),
    "a single padded row ignored its mask": (
        "conformance/test_every_plugin.py::test_it_keeps_the_contract_of_its_kind",
        "models/test_neighbours.py::test_a_padded_row_has_the_supernodes_that_it_has_alone",
        "models/test_supernode_encoder.py::test_values_of_padding_do_not_matter",
    ),
    "importance by gradients measured bfloat16's rounding and left weights changed": (
        "kernel/test_feedback.py::test_the_probe_measures_in_float32_also_within_autocast",
        "kernel/test_feedback.py::test_the_probe_leaves_weights_bit_by_bit_as_they_were",
        "kernel/test_feedback.py::test_a_probe_that_fails_leaves_weights_as_they_were",
    ),
    "the mean field of unscaled data was zero": (
        "kernel/test_experiment.py::TestEvaluate::test_the_mean_of_unscaled_data_is_no_zero",
    ),
    "names of tasks chose the optimizer": (
        "training/test_optimizers.py::test_names_of_tasks_do_not_choose_an_optimizer",
    ),
    "the latent cache's key left out settings of the encoder": (
        "kernel/test_latent_cache.py::test_the_key_tells_settings_apart_that_leave_weights_alike",
        "kernel/test_latent_cache.py::test_an_encoder_with_parameters_without_axes_has_a_key",
    ),
    "after an interrupt the means of an epoch covered what came after it; files and terminal counted differently": (
        "operator/test_resume.py::test_the_means_of_an_epoch_that_was_interrupted_cover_all_of_it",
        "operator/test_resume.py::test_what_may_change_takes_effect_and_is_written",
    ),
    "one trajectory at rest decided relative figures": (
        "training/test_metrics.py::test_one_sample_at_rest_does_not_decide",
        "losses/test_relative.py::test_a_sample_at_rest_is_compared_with_the_floor",
        "kernel/test_checks.py::test_a_sample_at_rest_is_remarked_on",
    ),
    "old configurations were written in a form that the check refused, and keys were lost in the crowd": (
        "convert/test_real_keys.py::test_all_keys_of_real_files_train_as_their_twin",
        "convert/test_real_keys.py::test_what_is_lost_stands_by_section_and_what_changes_results_comes_first",
        "convert/test_real_keys.py::test_a_missing_depth_is_said",
        "convert/test_real_keys.py::test_convert_checks_what_it_wrote",
    ),
    "supernodes did not hear most points": (
        "models/test_neighbours.py::test_every_point_is_heard_where_points_lie_unevenly",
        "models/test_neighbours.py::test_all_points_are_heard_in_turns",
        "cli/test_check.py::test_it_says_which_share_of_the_points_is_heard",
    ),
}


def names_in(body: list[ast.stmt], prefix: str = "") -> set[str]:
    """Names of the tests in a file or class, those of classes with the class before."""
    found: set[str] = set()
    for node in body:
        if isinstance(node, ast.ClassDef):
            found |= names_in(node.body, f"{node.name}::")
        elif isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
            found.add(prefix + node.name)
    return found


@pytest.mark.parametrize("what", HELD)
def test_each_is_held_by_tests_that_are_there(what: str) -> None:
    for place in HELD[what]:
        file, _, name = place.partition("::")
        assert name in names_in(ast.parse((ROOT / file).read_text(encoding="utf-8")).body), place

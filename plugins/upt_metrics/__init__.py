"""The built-in metrics."""

from __future__ import annotations

from upt_core import Register, hookimpl


@hookimpl
def register_metrics(register: Register) -> None:
    """Registers the metrics by path."""
    register("relative_l2", "upt_metrics.relative_l2:RelativeL2")
    register("relative_h1", "upt_metrics.relative_h1:RelativeH1")
    register("rmse", "upt_metrics.rmse:Rmse")
    register("nrmse", "upt_metrics.nrmse:Nrmse")
    register("max_error", "upt_metrics.max_error:MaxError")
    register("conservation_error", "upt_metrics.conservation_error:ConservationError")
    register("boundary_rmse", "upt_metrics.boundary_rmse:BoundaryRmse")
    register("vrmse", "upt_metrics.vrmse:Vrmse")
    register("correlation_time", "upt_metrics.correlation_time:CorrelationTime")
    register("spectrum_error", "upt_metrics.spectrum_error:SpectrumError")
    register("spectral_rmse", "upt_metrics.spectral_rmse:SpectralRmse")

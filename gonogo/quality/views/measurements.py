"""What the quality gate measures, as plain values: no threshold, no picture, nothing to import but pydantic.

Posed views lie in one or more data folders (shards):

    image_0000/input.png
               input_depth.npy    (H, W) distance along the camera's axis, > 0; may be absent
               source.json        {"group": what the input was cut from}; may be absent
               view_000/rgb.png
                        depth.npy (H, W), 0 where nothing was rendered; may be absent
                        pose.json as gonogo.quality.views.cameras reads it; may be absent
"""

from __future__ import annotations

from pydantic import Field

from gonogo.base.models import ClosedModel
from gonogo.quality.items import MeasuredItem
from gonogo.quality.pictures.measurements import ImageStatistics, PairStatistics

INPUT, INPUT_DEPTH, SOURCE = "input.png", "input_depth.npy", "source.json"
PICTURE, DEPTH, POSE = "rgb.png", "depth.npy", "pose.json"

Point = tuple[float, float, float]


class ViewMeasurement(ClosedModel):
    """One rendered view. None: not measured, because a file is absent or unreadable."""

    name: str = Field(description="`view_000`")
    picture: ImageStatistics
    pair: PairStatistics | None = Field(default=None, description="against the scene's input")
    angle_deg: float | None = Field(default=None, description="from the input's camera")
    rendered_share: float | None = Field(default=None, description="pixels with depth > 0")
    visible_points_share: float | None = Field(
        default=None,
        description="points of the input's depth map in front of the camera and inside its frame",
    )
    cloud_frame_share: float | None = Field(default=None, description="share of the frame that those points fall in")
    cloud_off_axis_deg: float | None = Field(
        default=None, description="between the viewing axis and the cloud's centre"
    )
    pose_fit: dict[str, float] = Field(
        default_factory=dict, description="likeness to the input as it is moved by this pose, and by others"
    )
    thumbnail: str = Field(default="", description="8×8 BGR, base64")


class SceneMeasurement(MeasuredItem):
    """One input with its views: the unit of every decision. `content` and `near` are the input's."""

    input: ImageStatistics
    thumbnail: str = Field(default="", description="of the input: 8×8 BGR, base64")
    cloud_centre: Point | None = Field(default=None, description="median point of the input's depth map, world")
    look_at: Point | None = Field(default=None, description="where the cameras' axes meet, world; None: nowhere")
    views: list[ViewMeasurement]

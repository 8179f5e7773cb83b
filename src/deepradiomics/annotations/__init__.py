"""Boxes, outlines and points from annotation tools, and out to them: labelImg (Pascal VOC), YOLO, COCO and LabelMe."""

from deepradiomics.annotations.boxes import read_voc, read_yolo
from deepradiomics.annotations.coco import read_coco, read_coco_masks, write_coco
from deepradiomics.annotations.labelme import LabelMe, read_labelme

__all__ = ["LabelMe", "read_coco", "read_coco_masks", "read_labelme", "read_voc", "read_yolo", "write_coco"]

"""The paper of HDTF, whose tables are bundled."""

CITATION = """\
@inproceedings{zhang2021flow,
  title = {Flow-Guided One-Shot Talking Face Generation With a High-Resolution Audio-Visual Dataset},
  author = {Zhang, Zhimeng and Li, Lincheng and Ding, Yu and Fan, Changjie},
  booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition},
  pages = {3661--3670},
  year = {2021}
}"""
"""A BibTeX entry."""

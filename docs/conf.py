"""Sphinx: pydata theme, numpydoc, examples that run when the pages are built."""

import warnings

from deepradiomics import __version__

project = "deepradiomics"
author = "The deepradiomics developers"
release = version = __version__
extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "sphinx.ext.mathjax",
    "numpydoc",
    "myst_parser",
    "sphinx_copybutton",
    "sphinx_gallery.gen_gallery",
]
exclude_patterns = ["_build", "auto_examples/*.ipynb", "auto_examples/*.md5", "auto_examples/*.py"]
source_suffix = {".rst": "restructuredtext", ".md": "markdown"}
default_role = None

# Docstrings that come from scikit-learn refer to pages of scikit-learn.
suppress_warnings = ["ref.ref"]

html_theme = "pydata_sphinx_theme"
html_title = "deepradiomics"
html_static_path = ["_static"]
html_css_files = ["pages.css"]
html_js_files = ["break_names.js"]
# What is copied is the code, without prompts and outputs.
copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True
html_show_sourcelink = False
html_theme_options = {
    "show_toc_level": 2,
    "navigation_with_keys": False,
    "header_links_before_dropdown": 4,
    "secondary_sidebar_items": ["page-toc"],
}
html_sidebars = {"index": []}

autosummary_generate = True
autodoc_default_options = {"members": False}
numpydoc_show_class_members = True
numpydoc_show_inherited_class_members = False
numpydoc_class_members_toctree = False
# Words of our docstrings are no names of objects unless they are marked as such.
numpydoc_xref_param_type = False

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3

sphinx_gallery_conf = {
    "examples_dirs": "../examples",
    "gallery_dirs": "auto_examples",
    # What needs real radiographs, or trains for minutes, is shown and not run.
    "filename_pattern": r"/(demo|compare_feature_sets|plot_\w+)\.py",
    "ignore_pattern": r"__init__\.py",
    "within_subsection_order": "FileNameSortKey",
    "download_all_examples": False,
    "show_memory": False,
    "reset_modules": ("matplotlib",),
    "abort_on_example_error": True,
}
warnings.filterwarnings("ignore", message="FigureCanvasAgg is non-interactive")

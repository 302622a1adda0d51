"""From findings to fixes: which places have to change together, and whether that is safe.

- `group`: the places that one fix has to keep in step, where state dicts are taken and where they are loaded.
- `arrival`: which keys come to a load, and whether it works for them.
- `chains`: which wrappers a model may have at a place, and how the file can name them.
- `writer`: the model is unwrapped before its state dict is taken.
- `reader`: the prefixes are taken off what a file holds, and it is loaded into the unwrapped model.
- `obstacles`: what might stop working and cannot be changed; it makes a fix unsafe.
- `mend`: all of it together, the fix of CKPT101, CKPT102 and CKPT301.
- `access`: the fix of CKPT106. `loss`: the fix of CKPT201.
- `snapshot` (CKPT105), `whole_module` (CKPT103), `plain_entry` (CKPT110), `atomic_save` (CKPT109), `buffer` (CKPT203),
  `read_arguments` (CKPT311, CKPT312): fixes of one place; `entry_value` finds what is written into an entry.

The texts are written by `ckptlint.fixes.shapes`; here it is decided what they are about.
"""

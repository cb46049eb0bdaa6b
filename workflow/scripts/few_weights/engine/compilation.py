"""Compiles LLVM's intermediate representation (IR) to code of this processor, and keeps the code in a folder.

With the environment variable FEW_WEIGHTS_CODE set to a folder, the IR and the assembly of every program that
is compiled are written there, as `<name>-<hash>.ll` and `.s`, and nothing is taken from a cache.

FEW_WEIGHTS_PROCESSOR names the processor to compile for, as LLVM does: "x86-64-v3" is any with AVX2 and FMA.
The results are the same bits, which the tests check.
"""

import contextlib
import ctypes
import hashlib
import os
import re
import uuid
from collections.abc import Callable, Iterable
from pathlib import Path

import llvmlite
from llvmlite import binding

#: The environment variable that names the folder for IR and assembly.
LISTINGS = "FEW_WEIGHTS_CODE"

#: The environment variable that names the processor to compile for.
PROCESSOR = "FEW_WEIGHTS_PROCESSOR"

#: How much LLVM improves the choice of instructions, from 0 to 3.
OPTIMISATION = 2

#: Registers for variables, and loops with their test at the end. The code is written as it should run: all
#: other passes of LLVM doubled the time to compile and made nothing faster.
PASSES = ("sroa", "loop_rotate")

#: Where bits are equal if nothing is known of other machines.
OWN_BITS = "this kind of machine"

#: A cache keeps the code of so many programs.
MOST_PROGRAMS = 200


def where_bits_are_equal() -> str:
    """The machines on which compiled code gives the bits that it gives here, in words."""
    features = binding.get_host_cpu_features()
    fused = binding.get_default_triple().startswith("x86_64") and features.get("avx2") and features.get("fma")
    # Elsewhere a product and its sum may be rounded once or twice.
    return "any x86-64 with AVX2 and FMA" if fused else OWN_BITS


def compile_functions(
    source: str, name: str, functions: Iterable[str], cache: Path | None = None
) -> dict[str, Callable[..., None]]:
    """Compile a module, or take its code from a cache.

    Args:
        source: its IR.
        name: for the files of FEW_WEIGHTS_CODE.
        functions: names of those that are wanted.
        cache: the folder of a cache, which need not exist; None for none.

    Returns:
        By name, callables that take integers, and addresses as integers.
    """
    engine = _load(source, name, cache)

    def callable_of(function: str) -> Callable[..., None]:
        # All arguments are integers or addresses.
        signature = re.search(rf'^define void @"{re.escape(function)}"\((.*?)\)', source, re.MULTILINE)
        assert signature, f"there is no function {function}"
        kinds = [ctypes.c_int64] * signature[1].count("%")
        compiled = ctypes.CFUNCTYPE(None, *kinds)(engine.get_function_address(function))
        # The code lives as long as the LLVM engine does.
        setattr(compiled, "engine", engine)  # noqa: B010
        return compiled

    return {each: callable_of(each) for each in functions}


def _load(source: str, name: str, cache: Path | None) -> binding.ExecutionEngine:
    """Load the code of a module into this process.

    Raises:
        RuntimeError: LLVM refuses the IR; the message says where.
    """
    binding.initialize_native_target()
    binding.initialize_native_asmprinter()
    triple, cpu = binding.get_default_triple(), os.environ.get(PROCESSOR, binding.get_host_cpu_name())
    features = "" if PROCESSOR in os.environ else binding.get_host_cpu_features().flatten()
    settings = [llvmlite.__version__, binding.llvm_version_info, triple, cpu, features, OPTIMISATION, PASSES]
    key = hashlib.sha256(f"{settings}\n{source}".encode()).hexdigest()
    listings = os.environ.get(LISTINGS)
    code = _read(cache / f"{key}.code") if cache and not listings else None
    machine = binding.Target.from_triple(triple).create_target_machine(
        cpu=cpu, features=features, opt=OPTIMISATION
    )
    if code is None:
        module = _optimised(source, machine)
        code = machine.emit_object(module)
        if cache:
            _write(cache / f"{key}.code", code)
        if listings:
            _write_listings(Path(listings), f"{name}-{key[:12]}", source, machine.emit_assembly(module))
    engine = binding.create_mcjit_compiler(binding.parse_assembly(""), machine)
    engine.add_object_file(binding.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


def _optimised(source: str, machine: binding.TargetMachine) -> binding.ModuleRef:
    """A module, checked by LLVM and after the passes."""
    module = binding.parse_assembly(source)
    module.verify()
    passes = binding.create_new_module_pass_manager()
    for each in PASSES:
        getattr(passes, f"add_{each}_pass")()
    passes.run(module, binding.create_pass_builder(machine, binding.create_pipeline_tuning_options()))
    return module


def _write_listings(folder: Path, name: str, source: str, assembly: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.ll").write_text(source, encoding="utf-8")
    (folder / f"{name}.s").write_text(assembly, encoding="utf-8")


# The cache: a file per program, which begins with the SHA-256 of the code in it.


def _read(path: Path) -> bytes | None:
    """The code in a file of the cache; None if there is no such file, or it is damaged."""
    try:
        content = path.read_bytes()
    except OSError:
        return None
    digest, code = content[:32], content[32:]
    if hashlib.sha256(code).digest() != digest:
        return None
    # The newest files are kept: this one was needed again.
    with contextlib.suppress(OSError):
        path.touch()
    return code


def _write(path: Path, code: bytes) -> None:
    """Write a file of the cache, completely or not at all, and delete the oldest beyond `MOST_PROGRAMS`.

    Where nothing can be written, the next training compiles again.
    """
    temporary = path.with_name(f".{uuid.uuid4().hex}.tmp")
    with contextlib.suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            temporary.write_bytes(hashlib.sha256(code).digest() + code)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
        # Other processes may write and delete at the same time.
        ages = {}
        for each in path.parent.glob("*.code"):
            with contextlib.suppress(OSError):
                ages[each] = each.stat().st_mtime_ns
        for each in sorted(ages, key=ages.__getitem__)[:-MOST_PROGRAMS]:
            each.unlink(missing_ok=True)

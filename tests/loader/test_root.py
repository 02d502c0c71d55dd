"""--root: the file system of an image, of this machine or another, whose links never lead out of it."""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
from pathlib import Path

import pytest

from conftest import Soinspect
from elfwriter import Sym, elf64
from soinspect import api
from soinspect.loader.environment import LoaderEnv
from soinspect.loader.filesystem import FileSystem
from soinspect.model.loadplan import FoundBy, Libc
from soinspect.model.verdict import Outcome

AARCH64, GLOB_DAT = 183, 1025
NEEDED, SONAME, RPATH, RUNPATH = 1, 14, 15, 29


def library(*texts: tuple[int, bytes], defines: bytes | None = None, uses: bytes | None = None) -> bytes:
    symbols = []
    if defines:
        symbols.append(Sym(name=defines))
    if uses:
        symbols.append(Sym(name=uses, value=0, shndx=0))
    relocations = ((len(symbols), GLOB_DAT),) if uses else ()
    return elf64(tuple(symbols), machine=AARCH64, texts=texts, relocations=relocations)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """An AArch64 file system: a program in /opt/app that needs a library found through links only."""
    root = tmp_path / "image"
    for folder in ("opt/app/bin", "opt/app/lib", "real", "lib", "usr/lib", "etc/ld.so.conf.d"):
        (root / folder).mkdir(parents=True)
    (root / "opt/app/bin/app").write_bytes(library((NEEDED, b"liba.so.1"), (RUNPATH, b"$ORIGIN/../lib"), uses=b"a"))
    (root / "real/liba.so.1.0").write_bytes(library((NEEDED, b"libb.so"), defines=b"a", uses=b"b"))
    (root / "opt/app/lib/liba.so.1").symlink_to("/real/liba.so.1.0")
    (root / "usr/lib/libb.so").write_bytes(library(defines=b"b"))
    return root


def test_absolute_links_stay_inside(image: Path, soinspect: Soinspect) -> None:
    plan = api.dependencies("/opt/app/bin/app", LoaderEnv(root=str(image)))
    assert [(it.path, it.found_by) for it in plan.objects] == [
        ("/opt/app/bin/app", FoundBy.GIVEN),
        ("/opt/app/bin/../lib/liba.so.1", FoundBy.RUNPATH),
        ("/usr/lib/libb.so", FoundBy.DEFAULT),
    ]
    assert plan.complete
    for path in ("/opt/app/bin/app", image / "opt/app/bin/app"):
        run = soinspect("deps", path, "--root", image)
        assert run.out.splitlines()[0] == "/opt/app/bin/app: 2 libraries, all found, every symbol resolved"
        assert run.code == 0


def test_links_that_climb_out_end_at_the_root(tmp_path: Path) -> None:
    (tmp_path / "secret").write_bytes(b"outside")
    root = tmp_path / "image"
    (root / "a").mkdir(parents=True)
    (root / "a/up").symlink_to("../../../../secret")
    (root / "a/loop").symlink_to("loop")
    (root / "a/out").symlink_to(tmp_path)
    files = FileSystem(str(root))
    for path in ("/a/up", "/a/loop", "/../secret", "/a/out/secret"):
        assert files.read(path, 100) is None
        assert files.identity(path) is None


def test_ld_so_conf_stands_in_for_the_cache(image: Path) -> None:
    (image / "usr/lib/libb.so").rename(image / "real/libb.so")
    (image / "etc/ld.so.conf").write_text("# first\ninclude ld.so.conf.d/*.conf\n/usr/lib\n")
    (image / "etc/ld.so.conf.d/b.conf").write_text("/real # here it is\n")
    (image / "etc/ld.so.conf.d/a.conf").write_text("include /etc/ld.so.conf\nhwcap 0 nosegneg\n")
    plan = api.dependencies("/opt/app/bin/app", LoaderEnv(root=str(image)))
    assert plan.objects[2].path == "/real/libb.so"
    assert plan.objects[2].found_by is FoundBy.CONF
    assert any("as if ldconfig had been run" in remark for remark in plan.remarks)


def test_the_library_path_is_seen_from_inside(image: Path) -> None:
    (image / "usr/lib/libb.so").rename(image / "real/libb.so")
    env = LoaderEnv(root=str(image), library_path=("/nowhere", "/real"))
    assert api.dependencies("/opt/app/bin/app", env).objects[2].found_by is FoundBy.LIBRARY_PATH


def test_libraries_of_other_machines_are_passed_over(image: Path) -> None:
    (image / "lib/libb.so").write_bytes(elf64(machine=62))
    plan = api.dependencies("/opt/app/bin/app", LoaderEnv(root=str(image)))
    assert plan.objects[2].path == "/usr/lib/libb.so"
    (need,) = plan.objects[1].needs
    assert [(it.path, it.result) for it in need.attempts if it.path == "/lib/libb.so"] == [
        ("/lib/libb.so", "built for x86-64, not aarch64")
    ]


def test_musl_takes_the_rpath_of_the_whole_chain_and_its_own_folders(image: Path) -> None:
    (image / "lib/ld-musl-aarch64.so.1").write_bytes(library(defines=b"puts"))
    (image / "usr/lib/libb.so").rename(image / "opt/app/lib/libb.so")
    (image / "real/liba.so.1.0").write_bytes(
        library((NEEDED, b"libb.so"), (NEEDED, b"libc.musl-aarch64.so.1"), defines=b"a", uses=b"puts")
    )
    plan = api.dependencies("/opt/app/bin/app", LoaderEnv(root=str(image)))
    assert plan.libc is Libc.MUSL
    assert [it.path for it in plan.objects[1:]] == [
        "/opt/app/bin/../lib/liba.so.1",
        "/opt/app/bin/../lib/libb.so",  # glibc would not look there: a RUNPATH is not inherited
        "/lib/ld-musl-aarch64.so.1",
    ]
    assert plan.complete
    (image / "opt/app/lib/libb.so").unlink()
    (image / "etc/ld-musl-aarch64.path").write_text("/other:/real\n")
    (image / "real/libb.so").write_bytes(library(defines=b"b"))
    assert api.dependencies("/opt/app/bin/app", LoaderEnv(root=str(image))).objects[2].path == "/real/libb.so"


def apt(folder: Path, architecture: str, *packages: str) -> Path:
    """Debian packages of any architecture, unpacked; apt works in ``folder`` and leaves the system alone."""
    for sub in ("state/lists/partial", "cache/archives/partial", "root"):
        (folder / sub).mkdir(parents=True)
    options = {
        "APT::Architecture": architecture,
        "APT::Architectures": architecture,
        "APT::Sandbox::User": "root",
        "Dir::State": folder / "state",
        "Dir::State::status": "/dev/null",
        "Dir::Cache": folder / "cache",
    }
    flags = [part for name, value in options.items() for part in ("-o", f"{name}={value}")]
    for command in (["update"], ["download", *packages]):
        subprocess.run(["apt-get", "-qq", *flags, *command], cwd=folder, check=True)
    for package in folder.glob("*.deb"):
        subprocess.run(["dpkg-deb", "-x", package, folder / "root"], check=True)
    return folder / "root"


def test_check_in_an_image(image: Path, soinspect: Soinspect) -> None:
    """The program serves a plugin with the libraries of the image; what is not there is missed."""
    (image / "opt/app/good.so").write_bytes(library((NEEDED, b"libb.so"), uses=b"b"))
    (image / "opt/app/bad.so").write_bytes(library((NEEDED, b"libc.so"), uses=b"b"))
    app = image / "opt/app/bin/app"
    app.write_bytes(program(app.read_bytes()))
    run = soinspect("check", "/opt/app/bin/app", "/opt/app/good.so", "--root", image)
    assert f"complete {image.resolve()}: the host needs /lib/ld-linux-aarch64.so.1 there\n" in run.out
    (image / "lib/ld-linux-aarch64.so.1").write_bytes(elf64(machine=AARCH64))
    for plugin in ("/opt/app/good.so", image / "opt/app/good.so"):
        run = soinspect("check", "/opt/app/bin/app", plugin, "--root", image)
        assert (run.code, run.out.splitlines()[0]) == (0, "OK good.so in app: every check is passed")
    run = soinspect("check", "/opt/app/bin/app", "/opt/app/bad.so", "--root", image)
    assert (run.code, run.out.splitlines()[0]) == (
        1, "FAIL bad.so in app: libc.so: cannot open shared object file: No such file or directory",
    )  # fmt: skip


def program(shared: bytes) -> bytes:
    """An image of :func:`elf64` with its loader named: the last program header becomes PT_INTERP of what follows."""
    name = b"/lib/ld-linux-aarch64.so.1\0"
    headers = shared[64 : 64 + 2 * 56] + struct.pack("<IIQQQQQQ", 3, 4, len(shared) + 3 * 56, 0, 0, len(name), 0, 1)
    moved = bytearray(shared + headers + name)
    moved[32:40] = struct.pack("<Q", len(shared))
    moved[56:58] = struct.pack("<H", 3)
    return bytes(moved)


@pytest.mark.full
def test_debian_of_another_machine(tmp_path: Path) -> None:
    root = apt(tmp_path, "arm64", "libc6", "bash", "libtinfo6", "coreutils", "libacl1", "libattr1", "libselinux1",
               "libpcre2-8-0", "libgmp10", "libgcc-s1", "python3.11-minimal", "libexpat1", "zlib1g", "libssl3",
               "openssl")  # fmt: skip
    incomplete = set()
    count = 0
    for path in sorted(root.rglob("*")):
        if path.is_symlink() or not path.is_file() or path.read_bytes()[:4] != b"\x7fELF":
            continue
        plan = api.dependencies(str(path), LoaderEnv(root=str(root)))
        assert all(os.path.lexists(f"{root}{it.path}") for it in plan.objects)
        count += 1
        if not plan.complete:
            incomplete.add(path.name)
    assert count > 300
    assert incomplete == {"libthread_db.so.1"}  # whose symbols the debugger provides
    modules = sorted(root.glob("usr/lib/python3.11/lib-dynload/*.so")) + sorted(root.glob("usr/lib/**/gconv/*.so"))
    verdicts = [api.check("/usr/bin/python3.11", str(it), environment=LoaderEnv(root=str(root))) for it in modules]
    assert len(verdicts) > 200
    refused = {it.path for verdict in verdicts for it in verdict.plugins if it.outcome is not Outcome.ACCEPTED}
    assert not refused
    elsewhere = api.check(str(root / "usr/bin/python3.11"), str(modules[0]))
    assert elsewhere.plugins[0].reasons[0].rule == "check.dlopen.host"


MUSL_HOST = """
extern void *dlopen(const char *, int);
extern char *dlerror(void);
extern int puts(const char *);
extern int __libc_start_main(int (*)(int, char **), int, char **, void (*)(void), void (*)(void));
static int host(int count, char **arguments) {
    for (int i = 1; i < count; i++) puts(dlopen(arguments[i], 2) ? "loaded" : dlerror());
    return 0;
}
void _init(void) {}
void _fini(void) {}
void start(long *p) { __libc_start_main(host, p[0], (char **)(p + 1), _init, _fini); }
__asm__(".globl _start\\n_start: xor %ebp,%ebp; mov %rsp,%rdi; and $-16,%rsp; call start");
"""
MUSL_PLUGINS = {
    "good": ("int run(void) { return 0; }", ()),
    "found": ("int mid(void); int run(void) { return mid(); }", ("-L.", "-lmid", "-Wl,-rpath,$ORIGIN")),
    "library": ("int mid(void); int run(void) { return mid(); }", ("-L.", "-lmid")),
    "symbol": ("int nothing(void); int run(void) { return nothing(); }", ()),
    "class": ("int run(void) { return 0; }", ("-m32",)),
}


@pytest.mark.full
def test_musl_says_what_is_predicted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = apt(tmp_path / "apt", "amd64", "musl")
    monkeypatch.chdir(tmp_path)
    shutil.copy(root / "lib/x86_64-linux-musl/libc.so", tmp_path)
    flags = ["gcc", "-x", "c", "-nostdlib", "-fno-stack-protector", "-fPIC", "-"]

    def build(source: str, name: str, *more: str) -> None:
        subprocess.run([*flags, "-x", "none", "-o", name, *more], input=source, text=True, check=True)

    interpreter = tmp_path / "ld-musl-x86_64.so.1"
    interpreter.symlink_to("libc.so")
    build(MUSL_HOST, "host", "-L.", "-lc", f"-Wl,-dynamic-linker,{interpreter}")
    build("int dep(void) { return 1; }", "libdep.so", "-shared")
    build("int dep(void); int mid(void) { return dep(); }", "libmid.so", "-shared", "-L.", "-ldep")
    for name, (source, more) in MUSL_PLUGINS.items():
        build(source, f"{name}.so", "-shared", *more)
    for name in (*MUSL_PLUGINS, "missing"):
        (problems,) = api.dlopen_problems("./host", [f"./{name}.so"], LoaderEnv())
        done = subprocess.run(["./host", f"./{name}.so"], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == (problems[0].message if problems else "loaded")

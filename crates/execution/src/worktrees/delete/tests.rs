//! Trees that resist, and trees that change while they are deleted.

use std::{
    ffi::OsStr,
    os::unix::{
        ffi::OsStrExt,
        fs::{PermissionsExt, symlink},
    },
    sync::atomic::{AtomicBool, Ordering},
};

use super::*;

fn scratch() -> (tempfile::TempDir, Utf8PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let path = Utf8Path::from_path(dir.path()).unwrap().canonicalize_utf8().unwrap();
    (dir, path)
}

fn write(path: &Utf8Path) {
    fs_err::create_dir_all(path.parent().unwrap()).unwrap();
    fs_err::write(path, "x\n").unwrap();
}

#[test]
fn everything_goes_and_nothing_that_links_lead_to() {
    let (_keep, dir) = scratch();
    let (top, outside) = (dir.join("top"), dir.join("outside"));
    write(&outside.join("precious"));
    for path in ["a", "b/c/d", "b/e", "f/.git", ".hidden/x"] {
        write(&top.join(path));
    }
    fs_err::create_dir(top.join("empty")).unwrap();
    symlink(&outside, top.join("to-directory")).unwrap();
    symlink(outside.join("precious"), top.join("b/to-file")).unwrap();
    symlink("nowhere", top.join("dangling")).unwrap();
    std::fs::create_dir(top.as_std_path().join(OsStr::from_bytes(b"\xff\xfe dir"))).unwrap();
    std::fs::write(top.as_std_path().join(OsStr::from_bytes(b"\xff\xfe dir/\x80\n")), "x").unwrap();
    fs_err::hard_link(outside.join("precious"), top.join("hard")).unwrap();
    delete_tree(&top).unwrap();
    assert!(top.as_std_path().symlink_metadata().is_err());
    assert_eq!(fs_err::read_to_string(outside.join("precious")).unwrap(), "x\n");
    delete_tree(&top).unwrap();
    delete_tree(&dir.join("never/was")).unwrap();
}

#[test]
fn a_link_and_a_file_are_no_trees() {
    let (_keep, dir) = scratch();
    write(&dir.join("outside/precious"));
    symlink(dir.join("outside"), dir.join("link")).unwrap();
    assert!(delete_tree(&dir.join("link")).is_err());
    assert!(delete_tree(&dir.join("outside/precious")).is_err());
    assert!(dir.join("outside/precious").is_file() && dir.join("link").is_dir());
}

#[test]
fn a_tree_of_ten_thousand_levels() {
    let (_keep, dir) = scratch();
    let top = dir.join("top");
    fs_err::create_dir(&top).unwrap();
    let mut at = handle::open_path(&top).unwrap();
    for _ in 0..10_000 {
        fs::mkdirat(&at, c"d", Mode::RWXU).unwrap();
        at = handle::open_dir(&at, c"d").unwrap();
    }
    drop(at);
    delete_tree(&top).unwrap();
    assert!(!top.exists());
}

#[test]
fn directories_that_nobody_may_enter_or_change() {
    let (_keep, dir) = scratch();
    let top = dir.join("top");
    for (path, mode) in [("none/a/b", 0o000), ("read/a/b", 0o500), ("enter/a/b", 0o100)] {
        write(&top.join(path));
        let locked = top.join(path).parent().unwrap().to_owned();
        fs_err::set_permissions(&locked, std::fs::Permissions::from_mode(mode)).unwrap();
        fs_err::set_permissions(locked.parent().unwrap(), std::fs::Permissions::from_mode(mode)).unwrap();
    }
    delete_tree(&top).unwrap();
    assert!(!top.exists());
}

/// Swaps `a` and `b` for each other, again and again, until told to end.
fn swap(a: &Utf8Path, b: &Utf8Path, end: &AtomicBool) -> u64 {
    let mut swapped = 0;
    while !end.load(Ordering::Relaxed) {
        let flags = fs::RenameFlags::EXCHANGE;
        swapped +=
            u64::from(fs::renameat_with(fs::CWD, a.as_std_path(), fs::CWD, b.as_std_path(), flags).is_ok());
    }
    swapped
}

#[cfg(target_os = "linux")]
#[test]
fn directories_that_are_swapped_for_links_meanwhile() {
    let (_keep, dir) = scratch();
    let outside = dir.join("outside");
    for n in 0..200 {
        write(&outside.join(format!("{n}/precious")));
    }
    let end = AtomicBool::new(false);
    let (x, link) = (dir.join("top/x"), dir.join("link"));
    let mut swapped = 0;
    for _ in 0..15 {
        for n in 0..200 {
            write(&x.join(format!("{n}/file")));
        }
        symlink(&outside, &link).unwrap();
        end.store(false, Ordering::Relaxed);
        std::thread::scope(|scope| {
            let swapper = scope.spawn(|| swap(&x, &link, &end));
            // It may find what it deletes gone or replaced; what it says of that is not the point.
            let _ = delete_tree(&dir.join("top"));
            end.store(true, Ordering::Relaxed);
            swapped += swapper.join().unwrap();
        });
        for left in [&dir.join("top"), &link] {
            let _ = fs_err::remove_file(left).or_else(|_| delete_tree(left).map_err(io::Error::other));
        }
        let whole = (0..200).filter(|n| outside.join(format!("{n}/precious")).is_file()).count();
        assert_eq!(whole, 200);
    }
    assert!(swapped > 0, "nothing was ever swapped");
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs root, for a file that is marked against deletion"]
fn what_can_not_be_deleted_is_named() {
    let (_keep, dir) = scratch();
    let file = dir.join("top/a/immutable");
    write(&file);
    let mark = |flags: fs::IFlags| {
        let open = std::fs::File::open(&file).unwrap();
        fs::ioctl_setflags(&open, flags).expect("NOT RUN: this test needs root");
    };
    mark(fs::IFlags::IMMUTABLE);
    let error = delete_tree(&dir.join("top")).unwrap_err().to_string();
    mark(fs::IFlags::empty());
    assert_eq!(error, format!("`{file}` could not be deleted: Operation not permitted (os error 1)"));
    delete_tree(&dir.join("top")).unwrap();
}

#[cfg(target_os = "linux")]
#[test]
#[ignore = "needs a mount"]
fn a_mount_that_appears_is_not_entered() {
    use rustix::mount::{UnmountFlags, mount_bind, unmount};
    let (_keep, dir) = scratch();
    write(&dir.join("outside/precious"));
    write(&dir.join("top/a/data/own"));
    let point = dir.join("top/a/data");
    mount_bind(dir.join("outside").as_std_path(), point.as_std_path())
        .expect("NOT RUN: this test needs to mount, which only root may");
    let refused = delete_tree(&dir.join("top")).unwrap_err().to_string();
    // As if it had been mounted after the table was read.
    let parent = handle::open_parent(&dir.join("top")).unwrap();
    let (name, met) = empty(&parent, &mut Vec::new()).unwrap_err();
    unmount(point.as_std_path(), UnmountFlags::DETACH).unwrap();
    assert!(refused.contains("something is mounted on"), "{refused}");
    assert_eq!((name.as_c_str(), met.to_string()), (c"data", "something is mounted on it".to_owned()));
    assert!(dir.join("outside/precious").is_file() && point.join("own").is_file());
}

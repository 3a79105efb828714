//! A copy of the tree to break, and a seeded choice of what to break in it.

use std::path::Path;

/// Copies what a build needs, and takes away what is there no more; files that have not changed
/// keep their time.
///
/// # Errors
/// The file that could not be read or written, and why.
pub fn copy(from: &Path, to: &Path) -> Result<(), String> {
    std::fs::create_dir_all(to).map_err(|e| format!("{}: {e}", to.display()))?;
    for name in ["Cargo.toml", "Cargo.lock", "crates"] {
        copy_all(&from.join(name), &to.join(name))?;
    }
    Ok(())
}

/// Writes a file.
///
/// # Errors
/// The file, and why it could not be written.
pub fn write(path: &Path, text: &str) -> Result<(), String> {
    std::fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}

/// Fisher and Yates, by SplitMix64.
pub fn shuffle<T>(all: &mut [T], mut seed: u64) {
    for n in (1..all.len()).rev() {
        seed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = seed;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        all.swap(n, ((z ^ z >> 31) % (n as u64 + 1)) as usize);
    }
}

fn copy_all(from: &Path, to: &Path) -> Result<(), String> {
    let told = |e: std::io::Error| format!("{}: {e}", from.display());
    if from.is_dir() {
        std::fs::create_dir_all(to).map_err(told)?;
        for entry in std::fs::read_dir(from).map_err(told)? {
            let name = entry.map_err(told)?.file_name();
            copy_all(&from.join(&name), &to.join(&name))?;
        }
        for entry in std::fs::read_dir(to).map_err(told)? {
            let old = entry.map_err(told)?.path();
            let name = old.file_name().unwrap_or_default();
            match from.join(name).exists() {
                true => {}
                false if old.is_dir() => std::fs::remove_dir_all(&old).map_err(told)?,
                false => std::fs::remove_file(&old).map_err(told)?,
            }
        }
        return Ok(());
    }
    let new = std::fs::read(from).map_err(told)?;
    if std::fs::read(to).is_ok_and(|old| old == new) {
        return Ok(());
    }
    std::fs::write(to, new).map_err(told)
}

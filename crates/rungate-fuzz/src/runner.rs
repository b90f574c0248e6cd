//! The short run: replays the corpus, then mutates it in plain Rust until the time is over.

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::Target;
use crate::mutate::{Random, mutate, words};

/// No input is larger: what is wrong with a reader shows in little.
const MAX_INPUT_BYTES: usize = 4 << 10;
/// An input that takes longer hangs. Generous, for busy machines.
const MAX_TIME: Duration = Duration::from_secs(10);

/// What a short run did.
#[derive(Debug)]
pub struct Summary {
    /// Inputs of the corpus.
    pub replayed: usize,
    /// Inputs made from them.
    pub mutated: u64,
}

/// The inputs of a target that are kept, in the order of their names.
pub fn corpus(target: &Target) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("corpus").join(target.name);
    let mut paths: Vec<PathBuf> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| (path.clone(), fs::read(&path).unwrap())).collect()
}

/// Replays the corpus, then runs inputs made from it for `time`. The nth of them depends on the seed and n alone.
///
/// # Errors
/// When a property fails: says which, and where the input lies, made as small as it can be.
pub fn short(target: &Target, seed: u64, time: Duration) -> Result<Summary, String> {
    let corpus = corpus(target);
    for (path, input) in &corpus {
        if let Some(panic) = failure(target, input) {
            return Err(format!("{}: {panic}", path.display()));
        }
    }
    let inputs: Vec<&[u8]> = corpus.iter().map(|(_, input)| input.as_slice()).collect();
    let words = words(target.dictionary);
    let words: Vec<&[u8]> = words.iter().map(Vec::as_slice).collect();
    let started = Instant::now();
    let mut mutated = 0;
    while started.elapsed() < time {
        let mut random = Random::new(seed ^ Random::new(mutated).next());
        let base = inputs.get(random.below(inputs.len())).copied().unwrap_or_default();
        let input = mutate(&mut random, base, &inputs, &words, MAX_INPUT_BYTES);
        if failure(target, &input).is_some() {
            return Err(keep(target, &input));
        }
        mutated += 1;
    }
    Ok(Summary { replayed: corpus.len(), mutated })
}

/// How a target fails on an input, if it does.
fn failure(target: &Target, input: &[u8]) -> Option<String> {
    let started = Instant::now();
    let outcome = catch_unwind(AssertUnwindSafe(|| (target.run)(input)));
    match outcome {
        Ok(()) if started.elapsed() > MAX_TIME => Some(format!("it took {:?}", started.elapsed())),
        Ok(()) => None,
        Err(panic) => {
            let text = panic.downcast_ref::<String>().cloned();
            Some(text.or_else(|| panic.downcast_ref::<&str>().map(ToString::to_string)).unwrap_or_default())
        }
    }
}

/// Keeps an input that fails in `artifacts/<target>/`, and says what to do with it.
fn keep(target: &Target, input: &[u8]) -> String {
    let small = smallest(target, input);
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("artifacts").join(target.name);
    let path = folder.join(format!("short-{:08x}", crc32fast::hash(&small)));
    fs::create_dir_all(&folder).unwrap();
    fs::write(&path, &small).unwrap();
    let panic = failure(target, &small).unwrap_or_default();
    format!(
        "{}: {panic}\nthe input is {path}: {:?}\nmend it, and keep the input: cp {path} {}/corpus/{}/",
        target.name,
        String::from_utf8_lossy(&small),
        env!("CARGO_MANIFEST_DIR"),
        target.name,
        path = path.display(),
    )
}

/// Takes pieces out, large ones first, for as long as the target still fails.
fn smallest(target: &Target, input: &[u8]) -> Vec<u8> {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(|_| {}));
    let mut small = input.to_vec();
    let mut length = small.len() / 2;
    while length > 0 {
        let mut at = 0;
        while at < small.len() {
            let mut without = small.clone();
            without.drain(at..(at + length).min(small.len()));
            if failure(target, &without).is_some() {
                small = without;
            } else {
                at += length;
            }
        }
        length /= 2;
    }
    std::panic::set_hook(hook);
    small
}

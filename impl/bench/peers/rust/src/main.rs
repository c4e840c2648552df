//! Drives upstream's `walrus-rust` as the benchmarks drive everything else, and answers with the same JSON.
//!
//! Each thread appends to a topic of its own, as upstream's benchmarks do. What was written is read back by a new
//! process, because this version keeps state of its files in the process.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use walrus_rust::{FsyncSchedule, ReadConsistency, Walrus};

const LATENCIES_EVERY: u64 = 16;

struct Payloads {
    lengths: Vec<usize>,
    offsets: Vec<usize>,
    bytes: Vec<u8>,
}

impl Payloads {
    fn load(path: &str) -> Payloads {
        let file = std::fs::read(path).expect("the pool of payloads");
        let mut lengths = Vec::new();
        let mut offsets = Vec::new();
        let mut at = 4096 * 4;
        for i in 0..4096 {
            let word: [u8; 4] = file[i * 4..i * 4 + 4].try_into().unwrap();
            let length = u32::from_le_bytes(word) as usize;
            lengths.push(length);
            offsets.push(at);
            at += (length + 7) & !7;
        }
        Payloads { lengths, offsets, bytes: file }
    }

    fn length(&self, index: u64) -> usize {
        self.lengths[(index % 4096) as usize]
    }

    fn put(&self, index: u64, into: &mut [u8; 1024]) -> usize {
        let slot = (index % 4096) as usize;
        let length = self.lengths[slot];
        into[..length].copy_from_slice(&self.bytes[self.offsets[slot]..self.offsets[slot] + length]);
        into[..8].copy_from_slice(&(index as f64).to_le_bytes());
        length
    }

    fn check(&self, index: u64, data: &[u8]) {
        let mut expected = [0u8; 1024];
        let length = self.put(index, &mut expected);
        if data != &expected[..length] {
            eprintln!("record {index} came back as other bytes than were written");
            std::process::exit(1);
        }
    }
}

struct Arguments(HashMap<String, String>);

impl Arguments {
    fn text(&self, name: &str) -> &str {
        self.0.get(name).unwrap_or_else(|| panic!("--{name} is needed"))
    }
    fn number(&self, name: &str) -> f64 {
        self.text(name).parse().expect("a number")
    }
    fn open(&self, consistency: ReadConsistency) -> Walrus {
        let schedule = match self.text("schedule") {
            "none" => FsyncSchedule::NoFsync,
            "200ms" => FsyncSchedule::Milliseconds(200),
            _ => FsyncSchedule::SyncEach,
        };
        Walrus::with_consistency_and_schedule(consistency, schedule).expect("the log opens")
    }
}

fn cpu_seconds() -> f64 {
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    unsafe { libc::getrusage(libc::RUSAGE_SELF, &mut usage) };
    let seconds = |t: libc::timeval| t.tv_sec as f64 + t.tv_usec as f64 / 1e6;
    seconds(usage.ru_utime) + seconds(usage.ru_stime)
}

fn quantiles(mut latencies: Vec<f64>) -> String {
    if latencies.is_empty() {
        return "null".into();
    }
    latencies.sort_by(f64::total_cmp);
    let at = |share: f64| latencies[((latencies.len() as f64 * share) as usize).min(latencies.len() - 1)];
    format!("{{\"p50\":{},\"p99\":{},\"p999\":{}}}", at(0.5), at(0.99), at(0.999))
}

fn main() {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let pairs = words.chunks(2).map(|pair| (pair[0].trim_start_matches('-').to_string(), pair[1].clone()));
    let arguments = Arguments(pairs.collect());
    // Single-threaded still.
    unsafe {
        std::env::set_var("WALRUS_QUIET", "1");
        std::env::set_var("WALRUS_DATA_DIR", arguments.text("directory"));
    }
    let payloads = Arc::new(Payloads::load(arguments.text("pool")));
    match arguments.text("kind") {
        "append" => append(&arguments, &payloads),
        "verify" => verify(&arguments, &payloads),
        "sequential" => sequential(&arguments, &payloads),
        "strict" => strict(&arguments, &payloads),
        "fill" => fill(&arguments, &payloads),
        "open" => open(&arguments),
        other => panic!("unknown kind {other}"),
    }
}

fn append(arguments: &Arguments, payloads: &Arc<Payloads>) {
    let threads = arguments.number("threads") as usize;
    let batch = arguments.number("batch") as u64;
    let seconds = arguments.number("seconds");
    let max_bytes = arguments.number("max-bytes") as u64 / threads as u64;
    let every = if arguments.text("schedule") == "each" || batch > 1 { 1 } else { LATENCIES_EVERY };
    let log = Arc::new(arguments.open(ReadConsistency::AtLeastOnce { persist_every: 5000 }));
    let cpu = cpu_seconds();
    let begun = Instant::now();
    let deadline = begun + Duration::from_secs_f64(seconds);
    let workers: Vec<_> = (0..threads)
        .map(|thread| {
            let (log, payloads) = (log.clone(), payloads.clone());
            std::thread::spawn(move || {
                let topic = format!("bench-{thread}");
                let mut buffers = vec![[0u8; 1024]; batch as usize];
                let mut lengths = vec![0usize; batch as usize];
                let mut latencies = Vec::new();
                let (mut index, mut bytes, mut calls) = (0u64, 0u64, 0u64);
                while bytes < max_bytes {
                    for i in 0..batch as usize {
                        lengths[i] = payloads.put(index + i as u64, &mut buffers[i]);
                        bytes += lengths[i] as u64;
                    }
                    let timed = calls % every == 0;
                    let from = timed.then(Instant::now);
                    if batch == 1 {
                        log.append_for_topic(&topic, &buffers[0][..lengths[0]]).expect("appended");
                    } else {
                        let views: Vec<&[u8]> =
                            buffers.iter().zip(&lengths).map(|(b, l)| &b[..*l]).collect();
                        log.batch_append_for_topic(&topic, &views).expect("appended");
                    }
                    index += batch;
                    calls += 1;
                    if let Some(from) = from {
                        let now = Instant::now();
                        latencies.push((now - from).as_secs_f64() * 1e3);
                        if now > deadline {
                            break;
                        }
                    }
                }
                (index, bytes, latencies)
            })
        })
        .collect();
    let mut counts = Vec::new();
    let (mut bytes, mut latencies) = (0, Vec::new());
    for worker in workers {
        let (count, written, mut times) = worker.join().unwrap();
        counts.push(count.to_string());
        bytes += written;
        latencies.append(&mut times);
    }
    let elapsed = begun.elapsed().as_secs_f64();
    let used = cpu_seconds() - cpu;
    drop(log);
    let entries: u64 = counts.iter().map(|c| c.parse::<u64>().unwrap()).sum();
    let mut again: Vec<String> = std::env::args().skip(1).collect();
    let kind = again.iter().position(|word| word == "--kind").unwrap();
    again[kind + 1] = "verify".into();
    again.extend(["--counts".into(), counts.join(",")]);
    let verified = std::process::Command::new(std::env::current_exe().unwrap()).args(again).status();
    if !verified.expect("the verifier runs").success() {
        std::process::exit(1);
    }
    println!(
        "{{\"entries\":{entries},\"payloadBytes\":{bytes},\"seconds\":{elapsed},\"cpuSeconds\":{used},\
         \"latency\":{},\"verified\":{entries}}}",
        quantiles(latencies)
    );
}

/// Reads a topic to its end.
fn read_all(log: &Walrus, topic: &str, mut visit: impl FnMut(&[u8])) -> u64 {
    let mut count = 0;
    loop {
        let entries = log.batch_read_for_topic(topic, 1 << 20, true).expect("read");
        if entries.is_empty() {
            return count;
        }
        for entry in entries {
            visit(&entry.data);
            count += 1;
        }
    }
}

fn verify(arguments: &Arguments, payloads: &Payloads) {
    let log = arguments.open(ReadConsistency::AtLeastOnce { persist_every: 1_000_000 });
    for (thread, count) in arguments.text("counts").split(',').enumerate() {
        let expected: u64 = count.parse().unwrap();
        let mut index = 0;
        let found = read_all(&log, &format!("bench-{thread}"), |data| {
            payloads.check(index, data);
            index += 1;
        });
        if found != expected {
            eprintln!("{expected} records were acknowledged and {found} are there");
            std::process::exit(1);
        }
    }
}

fn write_some(log: &Walrus, payloads: &Payloads, max_bytes: u64) -> (u64, u64) {
    let mut buffers = vec![[0u8; 1024]; 256];
    let (mut index, mut bytes) = (0u64, 0u64);
    while bytes < max_bytes {
        let lengths: Vec<usize> =
            buffers.iter_mut().enumerate().map(|(i, b)| payloads.put(index + i as u64, b)).collect();
        let views: Vec<&[u8]> = buffers.iter().zip(&lengths).map(|(b, l)| &b[..*l]).collect();
        log.batch_append_for_topic("bench-0", &views).expect("appended");
        bytes += lengths.iter().map(|l| *l as u64).sum::<u64>();
        index += 256;
    }
    (index, bytes)
}

fn sequential(arguments: &Arguments, payloads: &Payloads) {
    let log = arguments.open(ReadConsistency::AtLeastOnce { persist_every: 5000 });
    let max_bytes = (arguments.number("max-bytes") as u64).min(500 << 20);
    let (count, bytes) = write_some(&log, payloads, max_bytes);
    let cpu = cpu_seconds();
    let begun = Instant::now();
    let mut index = 0;
    let found = read_all(&log, "bench-0", |data| {
        payloads.check(index, data);
        index += 1;
    });
    let elapsed = begun.elapsed().as_secs_f64();
    let used = cpu_seconds() - cpu;
    if found != count {
        eprintln!("{count} records were acknowledged and {found} are there");
        std::process::exit(1);
    }
    println!(
        "{{\"entries\":{count},\"payloadBytes\":{bytes},\"seconds\":{elapsed},\"cpuSeconds\":{used},\
         \"verified\":{count},\"note\":\"one pass over 500 MiB, compared while it is timed; beyond its first file of 1,000 MiB other bytes come back than were written\"}}"
    );
}

fn strict(arguments: &Arguments, payloads: &Payloads) {
    let log = arguments.open(ReadConsistency::StrictlyAtOnce);
    write_some(&log, payloads, (arguments.number("max-bytes") as u64).min(100 << 20));
    let deadline = Instant::now() + Duration::from_secs_f64(arguments.number("seconds"));
    let cpu = cpu_seconds();
    let begun = Instant::now();
    let (mut index, mut bytes, mut latencies) = (0, 0, Vec::new());
    loop {
        let from = Instant::now();
        if from > deadline {
            break;
        }
        let Some(entry) = log.read_next("bench-0", true).expect("read") else { break };
        latencies.push(from.elapsed().as_secs_f64() * 1e3);
        payloads.check(index, &entry.data);
        bytes += payloads.length(index);
        index += 1;
    }
    println!(
        "{{\"entries\":{index},\"payloadBytes\":{bytes},\"seconds\":{},\"cpuSeconds\":{},\
         \"latency\":{},\"verified\":{index}}}",
        begun.elapsed().as_secs_f64(),
        cpu_seconds() - cpu,
        quantiles(latencies)
    );
}

fn fill(arguments: &Arguments, payloads: &Payloads) {
    let log = arguments.open(ReadConsistency::AtLeastOnce { persist_every: 5000 });
    let (count, bytes) = write_some(&log, payloads, arguments.number("max-bytes") as u64);
    println!("{{\"entries\":{count},\"payloadBytes\":{bytes}}}");
    if arguments.text("after") == "kill" {
        unsafe { libc::kill(libc::getpid(), libc::SIGKILL) };
    }
}

fn open(arguments: &Arguments) {
    let cpu = cpu_seconds();
    let begun = Instant::now();
    let log = arguments.open(ReadConsistency::AtLeastOnce { persist_every: 1_000_000 });
    let elapsed = begun.elapsed().as_secs_f64();
    let used = cpu_seconds() - cpu;
    let entries = log.batch_read_for_topic("bench-0", 1 << 20, false).expect("read");
    if entries.is_empty() {
        eprintln!("nothing is there");
        std::process::exit(1);
    }
    println!(
        "{{\"entries\":1,\"payloadBytes\":0,\"seconds\":{elapsed},\"cpuSeconds\":{used},\
         \"latency\":{{\"p50\":{0},\"p99\":{0},\"p999\":{0}}},\"verified\":1}}",
        elapsed * 1e3
    );
}

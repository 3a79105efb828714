//! Scalar and SIMD sums against `memcpy`, and the fused copy against copy then sum.
//!
//! 20 to 60 bytes are headers, 1448 a segment's data, 65536 a super-segment. `hot` repeats one
//! buffer; `walk` steps through 8 MiB, as data does that just came from elsewhere.

use std::hint::black_box;

use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use handfast_checksum::{pseudo_v4, scalar, sum, sum_copy, update_u16};

const WALK: usize = 8 << 20;

/// Runs `work` on `len` bytes of a source and a destination, always the same or ever further.
fn measure(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    len: usize,
    walk: bool,
    mut work: impl FnMut(&[u8], &mut [u8]),
) {
    // Past an Ethernet, IPv4 and TCP header with timestamps: where payload begins.
    let offset = 14 + 20 + 32;
    let src: Vec<u8> = (0..WALK + offset).map(|i| (i * 7 + i / 13) as u8).collect();
    let mut dst = vec![0; src.len()];
    let mut at = offset;
    group.bench_function(BenchmarkId::new(name, len), |bencher| {
        bencher.iter(|| {
            work(
                black_box(&src[at..at + len]),
                black_box(&mut dst[at..at + len]),
            );
            if walk {
                at += len.next_multiple_of(64);
                if at + len > src.len() {
                    at = offset;
                }
            }
        });
    });
}

fn sums(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("sum");
    for len in [20, 40, 60, 64, 128, 256, 1448, 65536] {
        group.throughput(Throughput::Bytes(len as u64));
        measure(&mut group, "scalar", len, false, |src, _| {
            black_box(scalar::sum(src));
        });
        measure(&mut group, "simd", len, false, |src, _| {
            black_box(sum(src));
        });
        measure(&mut group, "memcpy", len, false, |src, dst| {
            dst.copy_from_slice(src);
        });
    }
}

fn copies(criterion: &mut Criterion) {
    for (name, walk) in [("copy_hot", false), ("copy_walk", true)] {
        let mut group = criterion.benchmark_group(name);
        for len in [64, 1448, 65536] {
            group.throughput(Throughput::Bytes(len as u64));
            measure(&mut group, "memcpy", len, walk, |src, dst| {
                dst.copy_from_slice(src);
            });
            measure(&mut group, "fused", len, walk, |src, dst| {
                black_box(sum_copy(src, dst));
            });
            measure(&mut group, "copy_then_sum", len, walk, |src, dst| {
                dst.copy_from_slice(src);
                black_box(sum(src));
            });
            measure(&mut group, "scalar_fused", len, walk, |src, dst| {
                black_box(scalar::sum_copy(src, dst));
            });
            measure(&mut group, "scalar_copy_then_sum", len, walk, |src, dst| {
                dst.copy_from_slice(src);
                black_box(scalar::sum(src));
            });
        }
    }
}

fn fields(criterion: &mut Criterion) {
    criterion.bench_function("update_u16", |bencher| {
        bencher.iter(|| update_u16(black_box(0xdd2f), black_box(0x5555), black_box(0x3285)));
    });
    criterion.bench_function("pseudo_v4", |bencher| {
        bencher.iter(|| {
            pseudo_v4(
                black_box([192, 0, 2, 1]),
                black_box([192, 0, 2, 2]),
                6,
                1480,
            )
        });
    });
}

criterion_group!(benches, sums, copies, fields);
criterion_main!(benches);

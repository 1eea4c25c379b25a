using System.CommandLine;
using VmMigration.Performance;
using VmMigration.Performance.Disks;

// Side-by-side measurements. Each is a command of its own; none is part of the tests.
var rounds = new Option<int>("--rounds") { Description = "Rounds; each measures every way once, in changing order.", DefaultValueFactory = _ => 5 };
var memory = new Option<int>("--memory") { Description = "Guest RAM in MiB.", DefaultValueFactory = _ => 1024 };
var fill = new Option<int>("--fill") { Description = "Guest memory filled with random data, in MiB.", DefaultValueFactory = _ => 464 };
var rewrite = new Option<int>("--rewrite") { Description = "Part of it that is rewritten all the time, in MiB.", DefaultValueFactory = _ => 64 };
var qemu = new Command("qemu", "This engine against QEMU's own migration, plain and multifd, of the same Linux guest on this machine.")
{
    rounds, memory, fill, rewrite,
};
qemu.SetAction((parse, cancellationToken) => new QemuComparison(
    parse.GetValue(memory), parse.GetValue(fill), parse.GetValue(rewrite)).RunAsync(parse.GetValue(rounds), cancellationToken));

var largePages = new Command(
    "large-pages", "The same Linux guest on pages of 2 MiB, on pages of 4 KiB, and on pages of 2 MiB that are not kept.")
{
    rounds, memory, fill, rewrite,
};
largePages.SetAction((parse, cancellationToken) => new LargePageComparison(
    parse.GetValue(memory), parse.GetValue(fill), parse.GetValue(rewrite)).RunAsync(parse.GetValue(rounds), cancellationToken));

var vcpus = new Option<int>("--vcpus") { Description = "vCPUs of the guest.", DefaultValueFactory = _ => 3 };
var seconds = new Option<double>("--seconds") { Description = "How long a trace stays armed.", DefaultValueFactory = _ => 2 };
var interval = new Option<double>("--interval") { Description = "Milliseconds between two collections.", DefaultValueFactory = _ => 50 };
var fault = new Option<double>("--fault") { Description = "Microseconds a write fault takes at least.", DefaultValueFactory = _ => 2 };
var embeddedTraces = new Command(
    "embedded-traces",
    "Throughput of embedded guests while their writes are traced by 4K, 2M and Auto, armed by all, one or none of the vCPUs.")
{
    rounds, memory, vcpus, seconds, interval, fault,
};
embeddedTraces.SetAction((parse, cancellationToken) => new EmbeddedTraces(
    parse.GetValue(memory), parse.GetValue(vcpus), TimeSpan.FromSeconds(parse.GetValue(seconds)),
    TimeSpan.FromMilliseconds(parse.GetValue(interval)), TimeSpan.FromMicroseconds(parse.GetValue(fault)))
    .RunAsync(parse.GetValue(rounds), cancellationToken));

var armed = new Option<int>("--seconds") { Description = "Seconds the trace stays armed per measurement.", DefaultValueFactory = _ => 6 };
var pass = new Option<int>("--pass") { Description = "Milliseconds between two collections.", DefaultValueFactory = _ => 250 };
var traces = new Command(
    "traces", "A guest that rewrites memory in a loop, while its writes are traced in 4 KiB, 2 MiB, and as the engine chooses.")
{
    rounds, memory, armed, pass,
};
traces.SetAction((parse, cancellationToken) => new TraceComparison(
    parse.GetValue(memory), TimeSpan.FromSeconds(parse.GetValue(armed)), TimeSpan.FromMilliseconds(parse.GetValue(pass)))
    .RunAsync(parse.GetValue(rounds), cancellationToken));

var channels = new Option<int>("--channels") { Description = "Data connections.", DefaultValueFactory = _ => 1 };
var link = new Command("link", "The same embedded VM over the loopback device, in plain text and inside TLS.") { rounds, memory, channels };
link.SetAction((parse, cancellationToken) => new LinkComparison(parse.GetValue(memory), parse.GetValue(channels))
    .RunAsync(parse.GetValue(rounds), cancellationToken));

var paths = new Command(
    "paths", "Setting mobility paths up and rolling them back, and the throughput of a migration over each kind against Direct, in three "
    + "networks of its own. Needs root.")
{
    rounds, memory,
};
paths.SetAction((parse, cancellationToken) => new PathComparison(parse.GetValue(memory)).RunAsync(parse.GetValue(rounds), cancellationToken));

var size = new Option<int>("--size") { Description = "Size of the image in MiB; half of it is data.", DefaultValueFactory = _ => 4096 };
var directory = new Option<string?>("--directory")
{
    Description = "Where image and copies lie: a disk and a memory file system differ much. The system's temporary directory if not given.",
};
var diskChannels = new Option<int>("--channels") { Description = "Data connections; 0 lets the engine choose.", DefaultValueFactory = _ => 0 };
var diskWays = new Option<string[]>("--ways")
{
    Description = "Ways to measure, by the beginnings of their names: engine, cp, rsync, nbd. All if not given.",
    AllowMultipleArgumentsPerToken = true,
};
var disks = new Command(
    "disks", "A half-sparse disk image over the loopback device: this engine, plain and TLS, against rsync, qemu-img convert to qemu-nbd, and cp.")
{
    rounds, size, directory, diskChannels, diskWays,
};
disks.SetAction((parse, cancellationToken) => new DiskComparison(
    parse.GetValue(size), parse.GetValue(directory), new() { Channels = parse.GetValue(diskChannels) }, parse.GetValue(diskWays) ?? [])
    .RunAsync(parse.GetValue(rounds), cancellationToken));

var cutsAt = new Option<double[]>("--at")
{
    Description = "How much of the data passes before each cut, above 0 and below 1.",
    AllowMultipleArgumentsPerToken = true,
    DefaultValueFactory = _ => DiskCutComparison.Fractions,
};
var diskCuts = new Command(
    "disk-cuts", "Disk transfers cut at 1 to 99.9 % of the data: what is sent again, and the time to finish against a fresh copy.")
{
    rounds, size, directory, cutsAt,
};
diskCuts.SetAction((parse, cancellationToken) => new DiskCutComparison(
    parse.GetValue(size), parse.GetValue(directory), parse.GetValue(cutsAt) ?? DiskCutComparison.Fractions)
    .RunAsync(parse.GetValue(rounds), cancellationToken));

var root = new RootCommand("Performance measurements of VmMigration") { qemu, traces, embeddedTraces, largePages, paths, link, disks, diskCuts };
return await root.Parse(args).InvokeAsync();

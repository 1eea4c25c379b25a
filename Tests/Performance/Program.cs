using System.CommandLine;
using VmMigration.Performance;

// Side-by-side measurements. Each is a command of its own; none is part of the tests.
var rounds = new Option<int>("--rounds") { Description = "Rounds; each measures every way once, in turning order.", DefaultValueFactory = _ => 5 };
var memory = new Option<int>("--memory") { Description = "Guest RAM in MiB.", DefaultValueFactory = _ => 1024 };
var fill = new Option<int>("--fill") { Description = "Guest memory filled with random data, in MiB.", DefaultValueFactory = _ => 464 };
var rewrite = new Option<int>("--rewrite") { Description = "Part of it that is rewritten all the time, in MiB.", DefaultValueFactory = _ => 64 };
var qemu = new Command("qemu", "This engine against QEMU's own migration, plain and multifd, of the same Linux guest on this machine.")
{
    rounds, memory, fill, rewrite,
};
qemu.SetAction((parse, cancellationToken) => new QemuComparison(
    parse.GetValue(memory), parse.GetValue(fill), parse.GetValue(rewrite)).RunAsync(parse.GetValue(rounds), cancellationToken));

var largePages = new Command("large-pages", "The same Linux guest on pages of 2 MiB, on pages of 4 KiB, and on pages of 2 MiB that are not kept.")
{
    rounds, memory, fill, rewrite,
};
largePages.SetAction((parse, cancellationToken) => new LargePageComparison(
    parse.GetValue(memory), parse.GetValue(fill), parse.GetValue(rewrite)).RunAsync(parse.GetValue(rounds), cancellationToken));

return await new RootCommand("Performance measurements of VmMigration") { qemu, largePages }.Parse(args).InvokeAsync();

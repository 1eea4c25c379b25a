using System.Diagnostics;
using System.Globalization;
using System.Net;
using Serilog.Core;
using VmMigration.Engine;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Embedded;
using VmMigration.Engine.Migration;
using VmMigration.Engine.Protocol;
using VmMigration.Engine.Tests.Migration;

namespace VmMigration.Performance;

/// <summary>
/// An embedded VM full of random data, moved over the loopback device in plain text and inside TLS, in turning order: what the protection of
/// the link costs where the link itself costs next to nothing. Both ends share the processors.
/// </summary>
internal sealed class LinkComparison(int memoryMiB, int channels)
{
    private static readonly (string Name, LinkSecurity Security)[] ways = [("plain", LinkSecurity.Plain), ("tls", LinkSecurity.Tls)];

    public async Task<int> RunAsync(int rounds, CancellationToken cancellationToken)
    {
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"{memoryMiB} MiB of random data over {channels} channels on {Environment.ProcessorCount} processors, {rounds} rounds"));
        byte[] content = new byte[1 << 20];
        new Random(1).NextBytes(content);
        foreach ((_, LinkSecurity security) in ways) await MeasureAsync(security, content, cancellationToken);
        var runs = ways.ToDictionary(way => way.Name, _ => new List<LinkRun>());
        for (int round = 0; round < rounds; round++)
        {
            for (int turn = 0; turn < ways.Length; turn++)
            {
                (string name, LinkSecurity security) = ways[(round + turn) % ways.Length];
                LinkRun run = await MeasureAsync(security, content, cancellationToken);
                runs[name].Add(run);
                Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
                    $"round {round + 1} {name,-6} {run.BytesPerSecond / 1e6,7:F0} MB/s"
                    + $" {run.ProcessorTimePerGigabyte.TotalMilliseconds,6:F0} ms of processor time per GB"
                    + $" downtime {run.Downtime.TotalMilliseconds,6:F2} ms"));
            }
        }

        PairedRatios.Of("throughput    ", "tls", runs["tls"], "plain", runs["plain"], run => run.BytesPerSecond).Print();
        PairedRatios.Of("processor time", "tls", runs["tls"], "plain", runs["plain"],
            run => run.ProcessorTimePerGigabyte.TotalSeconds).Print();
        PairedRatios.Of("downtime      ", "tls", runs["tls"], "plain", runs["plain"], run => run.Downtime.TotalSeconds).Print();
        return 0;
    }

    private async Task<LinkRun> MeasureAsync(LinkSecurity security, byte[] content, CancellationToken cancellationToken)
    {
        var specification = new VmSpecification
        {
            Name = "measured", MemoryBytes = (long)memoryMiB << 20, Embedded = new() { Program = GuestProgramKind.Idle },
        };
        var hypervisor = new EmbeddedHypervisor();
        await using IVirtualMachine source = await hypervisor.StartAsync(specification, cancellationToken);
        for (long offset = 0; offset < specification.MemoryBytes; offset += content.Length) source.Memory.Write(offset, content);
        await using IVirtualMachine destination =
            await hypervisor.PrepareIncomingAsync(specification, StateContents.Devices, cancellationToken);
        var options = new MigrationOptions { Channels = channels };
        var request = new IncomingRequest(Guid.NewGuid(), specification, StateContents.Devices, options, "source");
        var journal = new MemoryJournal();
        var incoming = new DestinationMigration(new BareVm(destination), request, journal, Logger.None);
        using LinkCertificate? certificate = security == LinkSecurity.Tls ? LinkCertificate.Create() : null;
        await using var listener = new MigrationListener(
            new(IPAddress.Loopback, 0), certificate, "destination", Logger.None, (_, _) => null);
        listener.Register(incoming);
        var outgoing = new SourceMigration(
            new BareVm(source), new(specification.Id, listener.MakeOffer(incoming), StateContents.Devices, options), "source", journal,
            Logger.None);
        await incoming.BeginAsync(cancellationToken);
        await outgoing.BeginAsync(cancellationToken);
        using var process = Process.GetCurrentProcess();
        TimeSpan before = process.TotalProcessorTime;
        Task<MigrationOutcome> arriving = incoming.RunAsync(CancellationToken.None);
        MigrationStatus status = await outgoing.RunAsync(cancellationToken);
        process.Refresh();
        TimeSpan spent = process.TotalProcessorTime - before;
        await arriving;
        if (status.Result is not { } result) throw new MigrationException(status.ErrorReason, status.ErrorMessage ?? "no reason");
        return new(result.BytesSent / result.TotalTime.TotalSeconds, spent / (result.BytesSent / 1e9), result.Downtime);
    }
}

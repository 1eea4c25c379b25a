using System.Globalization;
using VmMigration.Engine;
using VmMigration.Engine.Hosts;
using VmMigration.Engine.Migration;

namespace VmMigration.Performance;

/// <summary>Moves the guest between two hosts as a user would, journals on disk included.</summary>
internal static class EngineMigration
{
    public static async Task<Measurement> RunAsync(MeasuredGuest guest, CancellationToken cancellationToken)
    {
        // Something else started the guest; once registered it is an ordinary VM of the host.
        await using LocalHost source = await OpenAsync(guest, "source", cancellationToken);
        await using LocalHost destination = await OpenAsync(guest, "destination", cancellationToken);
        VmDescription vm = await source.RegisterVmAsync(new(null, guest.Paths.QmpSocket), cancellationToken);
        MigrationStatus status = await MigrationBroker.StartAsync(
            source, vm.Specification.Id, destination, new() { DowntimeLimit = TimeSpan.FromMilliseconds(300) }, cancellationToken);
        await foreach (MigrationStatus next in source.WatchMigrationAsync(status.Id, cancellationToken)) status = next;
        if (status.Result is not { } result) throw new MigrationException(status.ErrorReason, status.ErrorMessage ?? "no reason");
        DowntimeBreakdown parts = result.DowntimeParts;
        string detail = string.Create(CultureInfo.InvariantCulture,
            $"stop {parts.Stop.TotalMilliseconds:F1} pages {parts.LastPages.TotalMilliseconds:F1} device {parts.DeviceState.TotalMilliseconds:F1}"
            + $" load {parts.Load.TotalMilliseconds:F1} commit {parts.Commit.TotalMilliseconds:F1} resume {parts.Resume.TotalMilliseconds:F1},"
            + $" passes [{string.Join(' ', result.PassDetails.Select(pass => string.Create(CultureInfo.InvariantCulture, $"{pass.BytesSent / 1e6:F0}MB/{pass.Duration.TotalMilliseconds:F0}ms")))}]"
            + $" faults {result.FaultsAfterResume}, populated {result.PagesPopulated} in {result.PopulationTime.TotalMilliseconds:F0}");
        await destination.StopVmAsync(vm.Specification.Id, force: true, cancellationToken);
        return new(result.TotalTime, result.Downtime, result.BytesSent, result.Passes, detail);
    }

    private static Task<LocalHost> OpenAsync(MeasuredGuest guest, string name, CancellationToken cancellationToken) =>
        LocalHost.OpenAsync(new() { Name = name, StateDirectory = Path.Combine(guest.Directory, name) }, cancellationToken);
}

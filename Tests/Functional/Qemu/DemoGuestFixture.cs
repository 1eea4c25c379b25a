using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using Xunit;

namespace VmMigration.Functional.Tests.Qemu;

/// <summary>One small demo guest that has booted, filled its memory and goes on rewriting a part of it.</summary>
public sealed class DemoGuestFixture : IAsyncLifetime
{
    public const long MemoryBytes = 192L << 20;
    public const long FillBytes = 32L << 20;
    public const long RewriteBytes = 8L << 20;

    private QemuTestHost? host;

    public IVirtualMachine Machine { get; private set; } = null!;

    internal QemuTestHost Host => host!;

    public static async Task<VmSpecification> SpecifyAsync(string directory, string name, CancellationToken cancellationToken)
    {
        var guest = new QemuDemoGuest { FillBytes = FillBytes, RewriteBytes = RewriteBytes };
        return new VmSpecification
        {
            Name = name, MemoryBytes = MemoryBytes, VcpuCount = 2, Qemu = await guest.BuildAsync(directory, cancellationToken),
        };
    }

    public async ValueTask InitializeAsync()
    {
        host = await QemuTestHost.CreateAsync();
        Machine = await BootAsync(host, "demo", TestContext.Current.CancellationToken);
    }

    internal static async Task<IVirtualMachine> BootAsync(QemuTestHost host, string name, CancellationToken cancellationToken)
    {
        VmSpecification specification = await SpecifyAsync(host.StateDirectory, name, cancellationToken);
        IVirtualMachine machine = await host.TrackAsync(host.Hypervisor.StartAsync(specification, cancellationToken));
        await new GuestConsole(machine).WaitForTickAsync(1, cancellationToken);
        return machine;
    }

    public async ValueTask DisposeAsync()
    {
        if (host is not null) await host.DisposeAsync();
    }
}

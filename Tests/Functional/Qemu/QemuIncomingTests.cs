using VmMigration.Engine;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using Xunit;

namespace VmMigration.Functional.Tests.Qemu;

/// <summary>VMs that wait for a state: what they refuse, what they do with a bad one, who has the disks.</summary>
public sealed class QemuIncomingTests
{
    private static CancellationToken Token => TestContext.Current.CancellationToken;

    [Fact]
    public async Task A_state_that_is_none_ends_the_incoming_vm_with_qemus_words()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        VmSpecification specification = QemuHypervisorTests.Small("fed");
        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.PrepareIncomingAsync(specification, StateContents.Devices, Token));

        var failure = await Assert.ThrowsAsync<MigrationException>(
            () => vm.LoadStateAsync(new MemoryStream(new byte[100_000]), Token));

        Assert.Equal(MigrationErrorReason.HypervisorFailed, failure.Reason);
        Assert.Contains("Not a migration stream", failure.Message, StringComparison.Ordinal);
        Assert.Equal(VmState.Failed, await vm.GetStateAsync(Token));
    }

    [Fact]
    public async Task An_incoming_vm_is_neither_paused_nor_resumed_nor_saved()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        VmSpecification specification = QemuHypervisorTests.Small("early");
        IVirtualMachine vm = await host.TrackAsync(host.Hypervisor.PrepareIncomingAsync(specification, StateContents.Devices, Token));

        Func<Task>[] attempts =
            [() => vm.PauseAsync(Token), () => vm.ResumeAsync(Token), () => vm.SaveStateAsync(Stream.Null, StateContents.Devices, Token)];
        foreach (Func<Task> attempt in attempts)
        {
            Assert.Equal(MigrationErrorReason.InvalidState, (await Assert.ThrowsAsync<MigrationException>(attempt)).Reason);
        }

        Assert.Equal(VmState.Incoming, await vm.GetStateAsync(Token));
    }

    [Fact]
    public async Task Disks_go_back_to_the_source_that_is_resumed_and_over_to_a_destination_that_is()
    {
        await using QemuTestHost host = await QemuTestHost.CreateAsync();
        string image = Path.Combine(host.StateDirectory, "disk,1.img");
        await using (var file = new FileStream(image, FileMode.CreateNew)) file.SetLength(8 << 20);
        var guest = new QemuGuest { Disks = [new QemuDisk(image)], Network = QemuNetwork.User };
        VmSpecification specification = QemuHypervisorTests.Small("disk") with { Qemu = guest };
        IVirtualMachine source = await host.TrackAsync(host.Hypervisor.StartAsync(specification, Token));
        await source.PauseAsync(Token);
        using var state = new MemoryStream();
        await source.SaveStateAsync(state, StateContents.Devices, Token);
        IVirtualMachine destination = await host.TrackAsync(
            host.Hypervisor.PrepareIncomingAsync(source.Specification, StateContents.Devices, Token));
        GuestMemoryCopy.CopyData(source.Memory, destination.Memory);
        state.Position = 0;
        await destination.LoadStateAsync(state, Token);

        // The destination has not taken the disk yet: the source can go on.
        await source.ResumeAsync(Token);
        Assert.Equal(VmState.Running, await source.GetStateAsync(Token));
        var refused = await Assert.ThrowsAsync<MigrationException>(() => destination.ResumeAsync(Token));
        Assert.Contains("lock", refused.Message, StringComparison.Ordinal);
        Assert.Equal(VmState.Paused, await destination.GetStateAsync(Token));

        await source.DestroyAsync();
        await destination.ResumeAsync(Token);
        Assert.Equal(VmState.Running, await destination.GetStateAsync(Token));
    }
}

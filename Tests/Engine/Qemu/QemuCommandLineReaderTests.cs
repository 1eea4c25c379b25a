using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using Xunit;

namespace VmMigration.Engine.Tests.Qemu;

public sealed class QemuCommandLineReaderTests
{
    [Fact]
    public void Sockets_of_monitors_and_of_the_serial_port_are_not_handed_to_a_second_process()
    {
        VmSpecification read = Read(
            "-nodefaults -chardev socket,id=mon0,path=/run/a,server=on,wait=off -mon chardev=mon0,mode=control "
            + "-chardev pty,id=charserial0 -serial chardev:charserial0 -chardev socket,id=agent,path=/run/b,server=on,wait=off "
            + "-device virtserialport,chardev=agent -qmp unix:/run/c,server=on -pidfile /run/p -daemonize -monitor none");

        Assert.Equal(
            ["-cpu", "qemu64", "-chardev", "socket,id=agent,path=/run/b,server=on,wait=off", "-device", "virtserialport,chardev=agent"],
            read.Qemu!.ExtraArguments);
        Assert.True(read.Qemu.SerialConsole);
    }

    [Fact]
    public void The_ram_block_keeps_the_name_it_has_on_the_migration_stream()
    {
        VmSpecification named = Read(
            "-nodefaults -machine pc-q35-7.2,accel=kvm,memory-backend=mem0 -object memory-backend-memfd,id=mem0,size=1G,share=on -m 1G");
        VmSpecification unnamed = Read("-nodefaults -M q35 -m 1G");

        Assert.Equal("pc-q35-7.2,memory-backend=mem0", named.Qemu!.MachineType);
        Assert.Equal("q35,memory-backend=pc.ram", unnamed.Qemu!.MachineType);
        Assert.DoesNotContain("-object", named.Qemu.ExtraArguments);
        Assert.Contains(
            "memory-backend-file,id=mem0,share=on,align=2M,size=1073741824,mem-path=/r",
            QemuCommandLine.Build(named, new("/d", "/r"), QemuAccelerator.Kvm, incoming: true, sandbox: false));
    }

    [Fact]
    public void Memory_of_a_second_numa_node_stays()
    {
        VmSpecification read = Read(
            "-nodefaults -machine q35,memory-backend=ram -object memory-backend-ram,id=ram,size=1G "
            + "-object memory-backend-ram,id=other,size=1G");

        Assert.Contains("memory-backend-ram,id=other,size=1G", read.Qemu!.ExtraArguments);
        Assert.DoesNotContain("memory-backend-ram,id=ram,size=1G", read.Qemu.ExtraArguments);
    }

    [Theory]
    [InlineData("-m 512", 512L << 20)]
    [InlineData("-m 512M", 512L << 20)]
    [InlineData("-m size=2G,slots=4,maxmem=8G", 2L << 30)]
    [InlineData("-m 2097152K", 2L << 30)]
    [InlineData("-m 1t", 1L << 40)]
    [InlineData("", 0)]
    public void Memory_is_read_with_its_unit(string arguments, long expected) => Assert.Equal(expected, Read(arguments).MemoryBytes);

    [Theory]
    [InlineData("-m much")]
    [InlineData("-m 99999999999T")]
    public void A_memory_size_that_is_none_is_refused(string arguments) =>
        Assert.Equal(MigrationErrorReason.InvalidArgument, Assert.Throws<MigrationException>(() => Read(arguments)).Reason);

    [Theory]
    [InlineData("-smp 4", 4)]
    [InlineData("-smp cpus=6,maxcpus=8", 6)]
    [InlineData("-smp 3,sockets=3", 3)]
    [InlineData("-smp sockets=2,cores=4,threads=2", 16)]
    [InlineData("", 1)]
    public void Vcpus_are_counted(string arguments, int expected) => Assert.Equal(expected, Read(arguments).VcpuCount);

    [Theory]
    [InlineData("-name web", "web")]
    [InlineData("-name guest=web,debug-threads=on", "web")]
    [InlineData("-nodefaults", "")]
    public void The_name_is_read_in_both_spellings(string arguments, string expected) => Assert.Equal(expected, Read(arguments).Name);

    [Theory]
    [InlineData("-enable-kvm", QemuAccelerator.Kvm)]
    [InlineData("-accel kvm", QemuAccelerator.Kvm)]
    [InlineData("-machine q35,accel=kvm:tcg", QemuAccelerator.Kvm)]
    [InlineData("-accel tcg,thread=single", QemuAccelerator.Tcg)]
    [InlineData("", QemuAccelerator.Tcg)]
    public void The_accelerator_is_read_from_wherever_it_stands(string arguments, QemuAccelerator expected) =>
        Assert.Equal(expected, Read(arguments).Qemu!.Accelerator);

    [Fact]
    public void Default_devices_of_the_machine_are_kept_where_they_were_not_switched_off()
    {
        VmSpecification read = Read("-M pc -m 512 -vga std -nographic --no-reboot");

        Assert.True(read.Qemu!.DefaultDevices);
        Assert.True(read.Qemu.SerialConsole);
        Assert.Equal(["-cpu", "qemu64", "-vga", "std", "-no-reboot"], read.Qemu.ExtraArguments);
        var built = QemuCommandLine.Build(read, new("/d", "/r"), QemuAccelerator.Tcg, incoming: true, sandbox: true);
        Assert.DoesNotContain("-nodefaults", built);
    }

    private static VmSpecification Read(string arguments) =>
        QemuCommandLineReader.Read(arguments.Split(' ', StringSplitOptions.RemoveEmptyEntries));
}

using CsCheck;
using VmMigration.Engine.Hypervisors;
using VmMigration.Engine.Hypervisors.Qemu;
using Xunit;

namespace VmMigration.Engine.Tests.Qemu;

public sealed class QemuCommandLineTests
{
    private static readonly QemuInstancePaths Paths = new("/state/vms/12345678-abcdef", "/dev/shm/vmmigration-x-abcdef.ram");

    private static readonly VmSpecification Plain = new()
    {
        Id = Guid.Parse("6f0c7c0b-6c4a-4bd6-9d57-0d6b8a3a1f10"),
        Name = "web-1",
        MemoryBytes = 512L << 20,
        VcpuCount = 2,
        Qemu = new QemuGuest { KernelPath = "/boot/vmlinuz", InitrdPath = "/x/initrd", KernelCommandLine = "console=ttyS0 a=b,c" },
    };

    [Fact]
    public void Guest_ram_is_a_shared_file_of_the_full_size_that_the_machine_uses()
    {
        IReadOnlyList<string> arguments = Build(Plain);

        Assert.Equal(
            "memory-backend-file,id=ram,share=on,align=2M,size=536870912,mem-path=/dev/shm/vmmigration-x-abcdef.ram",
            After(arguments, "-object"));
        Assert.Equal("q35,memory-backend=ram", After(arguments, "-machine"));
        Assert.Equal("512M", After(arguments, "-m"));
    }

    [Theory]
    [InlineData(QemuAccelerator.Kvm, "kvm", "host")]
    [InlineData(QemuAccelerator.Tcg, "tcg", "max")]
    public void The_accelerator_decides_the_cpu_model(QemuAccelerator accelerator, string name, string cpu)
    {
        IReadOnlyList<string> arguments = QemuCommandLine.Build(Plain, Paths, accelerator, incoming: false, sandbox: true);

        Assert.Equal(name, After(arguments, "-accel"));
        Assert.Equal(cpu, After(arguments, "-cpu"));
    }

    [Fact]
    public void An_incoming_vm_waits_for_its_state_and_stays_paused_after_it()
    {
        IReadOnlyList<string> arguments = QemuCommandLine.Build(Plain, Paths, QemuAccelerator.Tcg, incoming: true, sandbox: true);

        Assert.Equal("defer", After(arguments, "-incoming"));
        Assert.Contains("-S", arguments);
        Assert.DoesNotContain("-incoming", Build(Plain));
        Assert.DoesNotContain("-S", Build(Plain));
    }

    [Fact]
    public void A_comma_in_a_path_begins_no_new_property()
    {
        VmSpecification specification = With(guest => guest with { Disks = [new("/images/a,b.qcow2", "qcow2", ReadOnly: true)] });

        IReadOnlyList<string> arguments = Build(specification);

        Assert.Contains("driver=file,node-name=disk0-file,read-only=on,filename=/images/a,,b.qcow2", arguments);
        Assert.Contains("driver=qcow2,node-name=disk0,read-only=on,file=disk0-file", arguments);
        Assert.Contains("virtio-blk-pci,drive=disk0,id=disk0-device", arguments);
    }

    [Fact]
    public void An_unknown_disk_format_is_refused_before_anything_starts()
    {
        var failure = Assert.Throws<MigrationException>(() => Build(With(guest => guest with { Disks = [new("/images/a", "vmdk")] })));

        Assert.Equal(MigrationErrorReason.InvalidArgument, failure.Reason);
        Assert.Contains("vmdk", failure.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("-cpu", "qemu64")]
    [InlineData("-smp", "4,sockets=2")]
    [InlineData("-m", "512M,slots=2,maxmem=4G")]
    [InlineData("-accel", "tcg,thread=single")]
    [InlineData("-vga", "std")]
    public void An_extra_argument_takes_the_place_of_the_engines_own(string option, string value)
    {
        IReadOnlyList<string> arguments = Build(With(guest => guest with { ExtraArguments = [option, value] }));

        Assert.Equal(value, After(arguments, option));
        Assert.Single(arguments, argument => argument == option);
    }

    [Fact]
    public void What_is_built_reads_back_as_the_same_specification()
    {
        Gen<string> name = Gen.Char["abcxyz019.-_"].Array[1, 12].Select(characters => "v" + new string(characters));
        Gen<string> path = Gen.Char["ab/,=. "].Array[1, 12].Select(characters => "/" + new string(characters));
        Gen<QemuDisk> disk = Gen.Select(path, Gen.Bool, Gen.Bool, (file, raw, only) => new QemuDisk(file, raw ? "raw" : "qcow2", only));
        string[][] extras =
            [[], ["-rtc", "base=utc"], ["-device", "virtio-rng-pci", "-no-reboot"], ["-smp", "8,cores=8"], ["-cpu", "qemu64,+aes"]];
        Gen<string[]> extra = Gen.Int[0, extras.Length - 1].Select(index => extras[index]);
        Gen<QemuGuest> guest = Gen.Select(
            disk.Array[0, 3], Gen.Bool, Gen.Bool, Gen.Bool, extra, path,
            (disks, network, serial, defaults, more, kernel) => new QemuGuest
            {
                MachineType = defaults ? "pc-q35-7.2,memory-backend=pc.ram" : "q35,vmport=off",
                Accelerator = serial ? QemuAccelerator.Kvm : QemuAccelerator.Tcg,
                KernelPath = network ? kernel : null,
                KernelCommandLine = network ? "a=b,c -d" : null,
                Disks = disks,
                Network = network ? QemuNetwork.User : QemuNetwork.None,
                SerialConsole = serial || defaults,
                DefaultDevices = defaults,
                ExtraArguments = more,
            });
        Gen.Select(name, Gen.Int[1, 4096], Gen.Int[1, 64], guest, (vmName, size, vcpus, qemu) => new VmSpecification
        {
            Name = vmName, MemoryBytes = (long)size << 21, VcpuCount = qemu.ExtraArguments.Contains("-smp") ? 8 : vcpus, Qemu = qemu,
        }).Sample(specification =>
        {
            var arguments = QemuCommandLine.Build(specification, Paths, specification.Qemu!.Accelerator, incoming: true, sandbox: true);
            VmSpecification read = QemuCommandLineReader.Read(arguments);

            Assert.Equal(specification.Qemu.Disks, read.Qemu!.Disks);
            Assert.Equal(specification.Qemu.ExtraArguments, read.Qemu.ExtraArguments);
            Assert.Equal(
                specification.Qemu with { Disks = [], ExtraArguments = [] }, read.Qemu with { Disks = [], ExtraArguments = [] });
            Assert.Equal(specification with { Qemu = null }, read with { Qemu = null });
        });
    }

    private static IReadOnlyList<string> Build(VmSpecification specification) =>
        QemuCommandLine.Build(specification, Paths, QemuAccelerator.Tcg, incoming: false, sandbox: true);

    private static VmSpecification With(Func<QemuGuest, QemuGuest> change) => Plain with { Qemu = change(Plain.Qemu!) };

    private static string After(IReadOnlyList<string> arguments, string option) => arguments[arguments.ToList().IndexOf(option) + 1];
}

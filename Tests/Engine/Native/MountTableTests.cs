using VmMigration.Engine.Native;
using VmMigration.Engine.Tests.Hosts;
using Xunit;

namespace VmMigration.Engine.Tests.Native;

public class MountTableTests
{
    [Fact]
    public void A_line_is_taken_apart_whatever_optional_fields_and_blanks_it_has()
    {
        MountEntry plain = MountTable.Parse("36 25 0:32 / /dev/shm rw,nosuid,nodev shared:4 - tmpfs tmpfs rw,inode64");
        MountEntry odd = MountTable.Parse(@"99 25 0:77 /sub /mnt/a\040b rw - tmpfs my\134source rw,size=90%,huge=always");
        MountEntry many = MountTable.Parse("99 25 0:77 / /x rw shared:1 master:2 propagate_from:3 - hugetlbfs none rw,pagesize=2M");

        Assert.Equal(new MountEntry("/dev/shm", "tmpfs", "tmpfs", "rw,inode64"), plain);
        Assert.Equal(("/mnt/a b", @"my\source"), (odd.MountPoint, odd.Source));
        Assert.True(odd.GivesHugePages);
        Assert.False(plain.GivesHugePages);
        Assert.Equal("hugetlbfs", many.FileSystemType);
        Assert.False((plain with { Options = "rw,huge=advise" }).GivesHugePages);
        Assert.True((plain with { Options = "rw,huge=within_size" }).GivesHugePages);
    }

    [Fact]
    public void A_mount_is_found_through_links_and_is_gone_after_its_end()
    {
        using var scratch = new ScratchDirectory();
        string directory = Directory.CreateDirectory(Path.Combine(scratch.Path, "mounted here")).FullName;
        string link = Path.Combine(scratch.Path, "link");
        File.CreateSymbolicLink(link, directory);
        Assert.Null(MountTable.FindAt(directory));
        FileSystemMount.Mount("tmpfs", "vmmigration-test", directory, "size=4m,mode=0700");
        try
        {
            Assert.Equal("vmmigration-test", MountTable.FindAt(link)!.Source);
            File.WriteAllText(Path.Combine(directory, "file"), "");
            Assert.Equal(directory, MountTable.FindHolding(Path.Combine(link, "file"))!.MountPoint);
            Assert.NotEqual(directory, MountTable.FindHolding(scratch.Path)!.MountPoint);
            using (File.OpenRead(Path.Combine(directory, "file"))) Assert.False(FileSystemMount.TryUnmount(directory));
        }
        finally
        {
            Assert.True(FileSystemMount.TryUnmount(directory));
        }

        Assert.Null(MountTable.FindAt(directory));
        Assert.Null(MountTable.FindAt(Path.Combine(scratch.Path, "missing")));
        Assert.Equal(Errno.EINVAL, Assert.Throws<SystemCallException>(() => FileSystemMount.TryUnmount(directory)).ErrorNumber);
    }

    [Fact]
    public void An_option_the_kernel_does_not_know_is_refused_with_the_whole_call()
    {
        using var scratch = new ScratchDirectory();

        var refused = Assert.Throws<SystemCallException>(() => FileSystemMount.Mount("tmpfs", "none", scratch.Path, "huge=enormous"));

        Assert.Equal(Errno.EINVAL, refused.ErrorNumber);
        Assert.Contains("huge=enormous", refused.Message, StringComparison.Ordinal);
    }
}
